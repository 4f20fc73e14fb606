"""The data directory: ours alone, one owner at a time, every file in it written whole or not at
all.
"""

import fcntl
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from parley.settings import SettingsError


def write_whole(path: Path, text: str, *, durable: bool = False) -> None:
    """Replace a file in one step, readable by us only; a reader sees the old text or the new."""
    beside = path.with_name(f".{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    beside.replace(path)


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
        """
        Raises:
            SettingsError: it cannot be written, or another Parley has it.
        """
        self.path = path.absolute()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise SettingsError(
                f"PARLEY_DATA_DIR {self.path} cannot be used: {error.strerror}."
            ) from None
        self._take()

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
        """Whether another process holds that data directory now."""
        try:
            descriptor = os.open(path / "lock", os.O_RDWR)
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
