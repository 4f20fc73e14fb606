"""A primary and a standby that streams from it, as the embedded supervisor runs PostgreSQL.

Commits wait for the standby (`synchronous_standby_names`), as in production; else what was answered
last could be lost with the primary.
"""

import secrets
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from models.postgresql.hosts import open_connection
from parley.embedded.postgresql import NAME, PostgreSQL
from parley.ports import free_port
from parley.supervision.part import start_and_wait
from tests.waiting import eventually

# The standby looks for its primary's log this often while that is away.
OPTIONS = {"wal_retrieve_retry_interval": "100ms", "wal_receiver_status_interval": "1s"}
FOLLOWS = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"


class Server(PostgreSQL):
    """One of the two; `of` is the primary that a standby is copied from."""

    def __init__(
        self, folder: Path, name: str, *, port: int, password: str, of: "Server | None" = None
    ) -> None:
        folder.joinpath(name).mkdir(mode=0o700)
        log_path = folder / "logs" / f"{name}.log"
        super().__init__(
            folder / name,
            log_path,
            port=port,
            password=password,
            durable=False,
            options=OPTIONS,
        )
        self.name = name
        self.port = port
        self._of = of

    async def ask(self, statement: str) -> object:
        """Run a statement here, whichever of the two this one is."""
        connection = await open_connection(self.url, takes_writes=False)
        try:
            return await connection.fetchval(statement)
        finally:
            connection.terminate()

    def prepare(self) -> None:
        if self._of is None or self.directory.exists():
            super().prepare()
            return
        self.directory.mkdir(mode=0o700)
        self._run(
            self.directory,
            "",
            "pg_basebackup",
            f"--dbname={self._of.url}",
            f"--pgdata={self.directory}",
            "--checkpoint=fast",
            "--no-sync",
            "--wal-method=stream",
            # Leaves in its settings where the primary is, and that this one is a standby.
            "--write-recovery-conf",
        )


class Pair:
    """Both, for as long as a `with` block lasts. The database is empty at first."""

    def __init__(self, folder: Path) -> None:
        password = secrets.token_hex(16)
        ports: list[int] = []
        for _ in range(2):
            ports.append(free_port(ports))
        self.primary = Server(folder, "primary", port=ports[0], password=password)
        self.standby = Server(folder, "standby", port=ports[1], password=password, of=self.primary)

    @property
    def url(self) -> str:
        """Both hosts, the way an operator names them."""
        password = urlsplit(self.primary.url).password
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in (self.primary, self.standby))
        return f"postgresql://{NAME}:{password}@{hosts}/{NAME}?target_session_attrs=read-write"

    async def __aenter__(self) -> Self:
        start_and_wait([self.primary])
        self.start_standby()
        # Said after the copy was made, so that the standby waits for nobody once it is promoted.
        await self.primary.ask("ALTER SYSTEM SET synchronous_standby_names = '*'")
        await self.primary.ask("SELECT pg_reload_conf()")
        await self.is_synchronous()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for server in (self.standby, self.primary):
            server.kill()

    def start_standby(self) -> None:
        start_and_wait([self.standby])

    def stop_standby(self) -> None:
        """End it in an orderly way: until it is back, no commit of the primary is answered."""
        self.standby.stop()

    async def is_synchronous(self) -> None:
        """Wait until the primary's commits are those of the standby, too."""

        async def follows() -> bool:
            return await self.primary.ask(FOLLOWS) == 1

        await eventually(follows)

    def kill_primary(self) -> None:
        self.primary.kill()

    async def promote(self) -> None:
        """Make the standby the primary; it takes writes on return."""
        assert await self.standby.ask("SELECT pg_promote()")
