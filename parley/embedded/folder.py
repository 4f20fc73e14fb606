"""The data directory: ours alone, one owner at a time, every file in it written whole or not at
all.

We make it, readable by us only, or take an empty one as it is: no permission of a folder that
somebody else made is changed, and a folder that holds other things, or that others own or can write
to, is refused.
"""

import fcntl
import json
import os
import secrets
import shlex
import stat
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from parley.settings import SettingsError

# The file that its owner holds; where it is, the folder is Parley's.
_LOCK = "lock"
_OURS = {"credentials.json", "logs", "ports.json", "postgresql", "postgresql.new", "s3", "valkey"}


def write_whole(path: Path, text: str, *, durable: bool = False) -> None:
    """Replace a file in one step, readable by us only; a reader sees the old text or the new.

    What is written first is a new file of a name that nobody can know before.
    """
    descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink()
        raise


@dataclass(frozen=True, slots=True)
class Credentials:
    """Passwords that we made for what we run; they never leave the data directory but in
    `services.json`.
    """

    postgresql_password: str = field(repr=False)
    valkey_password: str = field(repr=False)
    s3_access_key_id: str
    s3_secret_access_key: str = field(repr=False)
    # PARLEY_SECRET of those who set none.
    secret: str = field(repr=False)


class Folder:
    """The data directory, held by this process until it is closed or ends."""

    def __init__(self, path: Path) -> None:
        """Take the folder for this process.

        Raises:
            SettingsError: it cannot be written, is not for us alone, or another Parley has it.
        """
        self.path = path.absolute()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._require_ours()
            self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise SettingsError(
                f"PARLEY_DATA_DIR {self.path} cannot be used: {error.strerror}."
            ) from None
        self._take()

    def _require_ours(self) -> None:
        """Check that the folder is Parley's, and ours alone.

        Raises:
            SettingsError: somebody else's folder, one that others can write to, or one that is
                used for something else.
        """
        found = self.path.stat()
        if found.st_uid != os.geteuid():
            raise SettingsError(
                f"PARLEY_DATA_DIR {self.path} belongs to another user; set it to a new folder."
            )
        mode = stat.S_IMODE(found.st_mode)
        if mode & 0o022:
            raise SettingsError(
                f"PARLEY_DATA_DIR {self.path} can be written by others (its mode is {mode:04o}); "
                f"run: chmod go-w {shlex.quote(str(self.path))}"
            )
        others = {path.name for path in self.path.iterdir()} - _OURS
        if others and not (self.path / _LOCK).exists():
            raise SettingsError(
                f"PARLEY_DATA_DIR {self.path} holds files that are not Parley's; set it to a new "
                "or an empty folder."
            )

    def _take(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(self._lock, 20).decode() or "unknown"
            os.close(self._lock)
            raise SettingsError(
                f"PARLEY_DATA_DIR {self.path} is in use by another Parley (process {owner}); "
                "stop that or set another PARLEY_DATA_DIR."
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    def close(self) -> None:
        os.close(self._lock)

    @staticmethod
    def in_use(path: Path) -> bool:
        """Return True if another process holds that data directory now."""
        try:
            descriptor = os.open(path / _LOCK, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    @property
    def services_path(self) -> Path:
        return self.path / "services.json"

    @property
    def ports_path(self) -> Path:
        return self.path / "ports.json"

    def log_path(self, name: str) -> Path:
        return self.path / "logs" / f"{name}.log"

    def credentials(self) -> Credentials:
        """Those made at the first start.

        Raises:
            SettingsError: they are lost, or not ours to read.
        """
        try:
            return read_credentials(self.path)
        except FileNotFoundError:
            return self._make_credentials()
        except OSError as error:
            raise SettingsError(
                f"PARLEY_DATA_DIR {self.path} belongs to another user: {error.strerror}."
            ) from None

    def _make_credentials(self) -> Credentials:
        if (self.path / "postgresql").exists():
            raise SettingsError(
                f"PARLEY_DATA_DIR {self.path} has lost its credentials.json, "
                "without which its database stays shut."
            )
        made = Credentials(
            postgresql_password=secrets.token_hex(20),
            valkey_password=secrets.token_hex(20),
            s3_access_key_id=f"PARLEY{secrets.token_hex(7).upper()}",
            s3_secret_access_key=secrets.token_hex(20),
            secret=secrets.token_hex(32),
        )
        write_whole(credentials_path(self.path), json.dumps(asdict(made), indent=2), durable=True)
        return made


def credentials_path(data_dir: Path) -> Path:
    return data_dir / "credentials.json"


def read_credentials(data_dir: Path) -> Credentials:
    return Credentials(**json.loads(credentials_path(data_dir).read_text()))
