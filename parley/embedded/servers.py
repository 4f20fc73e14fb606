"""The three servers of one data directory, and where they are reached."""

from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Self

from parley.embedded.folder import Credentials, Folder
from parley.embedded.kept_ports import KeptPorts
from parley.embedded.postgresql import PostgreSQL
from parley.embedded.s3 import S3
from parley.embedded.valkey import Valkey
from parley.settings import Settings
from parley.supervision.part import SupervisedPart, start_and_wait

ALL = ("postgresql", "valkey", "s3")


class Servers:
    """The parts that settings leave to us, ready to be started in this order, and every server's
    address.
    """

    def __init__(
        self,
        folder: Folder,
        settings: Settings,
        *,
        only: Collection[str] = ALL,
        durable: bool = True,
        without_namespace: bool = False,
    ) -> None:
        self.settings = settings
        self.credentials: Credentials = folder.credentials()
        ports = KeptPorts(folder.ports_path).assign(ALL)
        self.postgresql = PostgreSQL(
            folder.path,
            folder.log_path("postgresql"),
            port=ports["postgresql"],
            password=self.credentials.postgresql_password,
            durable=durable,
            without_namespace=without_namespace,
        )
        self.valkey = Valkey(
            folder.path,
            folder.log_path("valkey"),
            port=ports["valkey"],
            password=self.credentials.valkey_password,
        )
        self.s3 = S3(
            folder.path,
            folder.log_path("s3"),
            port=ports["s3"],
            bucket=settings.s3_bucket,
            region=settings.aws_region,
        )
        outside = {
            "postgresql": settings.database_url,
            "valkey": settings.redis_url,
            "s3": settings.s3_endpoint_url,
        }
        # The slowest to come up first.
        embedded: list[SupervisedPart] = [self.s3, self.valkey, self.postgresql]
        self.parts = [part for part in embedded if part.name in only and not outside[part.name]]
        self.urls = {
            "postgresql": settings.database_url or self.postgresql.url,
            "valkey": settings.redis_url or self.valkey.url,
            "s3": settings.s3_endpoint_url or self.s3.url,
        }

    def environment(self) -> dict[str, str]:
        """Return the variables by which another process finds the servers."""
        found = {
            "DATABASE_URL": self.urls["postgresql"],
            "REDIS_URL": self.urls["valkey"],
            "S3_ENDPOINT_URL": self.urls["s3"],
            "S3_BUCKET": self.settings.s3_bucket,
            "AWS_REGION": self.settings.aws_region,
        }
        if not self.settings.s3_endpoint_url:
            # What is in the environment belongs to another endpoint.
            found["AWS_ACCESS_KEY_ID"] = self.credentials.s3_access_key_id
            found["AWS_SECRET_ACCESS_KEY"] = self.credentials.s3_secret_access_key
        return found

    def pids_and_urls(self) -> dict[str, dict[str, str | int | None]]:
        pids = {part.name: part.answering_pid for part in self.parts}
        return {name: {"pid": pids.get(name), "url": self.urls[name]} for name in ALL}


class EmbeddedServers:
    """The servers for as long as a `with` block lasts; for tests, which stop and start them as they
    like.

    Unlike under `dev`, a server that dies stays dead until `start`.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        only: Collection[str] = ALL,
        settings: Settings | None = None,
        durable: bool = True,
        without_namespace: bool = False,
    ) -> None:
        """`durable=False` leaves out fsync: a commit survives every crash but the machine's."""
        self._folder = Folder(data_dir)
        self.data_dir = self._folder.path
        self._servers = Servers(
            self._folder,
            settings or Settings(),
            only=only,
            durable=durable,
            without_namespace=without_namespace,
        )
        self.database_url = self._servers.urls["postgresql"]
        self.redis_url = self._servers.urls["valkey"]
        self.s3_endpoint_url = self._servers.urls["s3"]
        self.s3_access_key_id = self._servers.credentials.s3_access_key_id
        self.s3_secret_access_key = self._servers.credentials.s3_secret_access_key
        self.secret = self._servers.credentials.secret

    def __enter__(self) -> Self:
        start_and_wait(self._servers.parts)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for part in self._servers.parts:
            part.ask_to_stop()
        for part in self._servers.parts:
            part.stop()
        self._folder.close()

    def environment(self) -> dict[str, str]:
        return self._servers.environment()

    def part(self, name: str) -> SupervisedPart:
        return next(part for part in self._servers.parts if part.name == name)

    def pid(self, name: str) -> int:
        pid = self.part(name).pid
        assert pid is not None
        return pid

    def kill(self, name: str) -> None:
        """End one with SIGKILL; on return it is gone."""
        self.part(name).kill()

    def start(self, name: str) -> None:
        """Start one again; on return it answers."""
        start_and_wait([self.part(name)])
