"""A coordinator and two workers of Citus, as the embedded supervisor runs PostgreSQL."""

import asyncio
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg

from models.postgresql.database import connect
from parley.embedded.postgresql import PostgreSQL
from parley.ports import free_port
from parley.supervision.part import start_and_wait

NAMES = ("coordinator", "worker1", "worker2")
# Few, so that tests are fast, and more than there are workers.
SHARDS = 4
OPTIONS = {
    "shared_preload_libraries": "citus",
    # The default, `require`, fails: the wheel's PostgreSQL has no TLS.
    "citus.node_conninfo": "sslmode=prefer",
    "citus.local_hostname": "127.0.0.1",
    "max_connections": "400",
    "shared_buffers": "128MB",
}


class Node(PostgreSQL):
    """One PostgreSQL of the cluster; the nodes know each other's password."""

    def __init__(
        self, folder: Path, name: str, *, installation: Path, password: str, durable: bool
    ) -> None:
        self.port = free_port()
        folder.joinpath(name).mkdir(mode=0o700)
        super().__init__(
            folder / name,
            folder / "logs" / f"{name}.log",
            port=self.port,
            password=password,
            durable=durable,
            installation=installation,
            options=OPTIONS,
        )
        self.name = name
        self._password_of_all = password

    def environment(self) -> Mapping[str, str]:
        return {**super().environment(), "PGPASSWORD": self._password_of_all}


class Cluster:
    """The cluster for as long as a `with` block lasts; its database is empty at first."""

    def __init__(self, folder: Path, installation: Path, *, durable: bool = False) -> None:
        password = secrets.token_hex(16)
        self.nodes = [
            Node(folder, name, installation=installation, password=password, durable=durable)
            for name in NAMES
        ]
        self.coordinator, *self.workers = self.nodes
        # Any node takes any statement; the coordinator alone changes tables.
        self.url = self.coordinator.url

    @property
    def pid(self) -> int:
        """That of the coordinator."""
        assert self.coordinator.pid is not None
        return self.coordinator.pid

    def __enter__(self) -> Self:
        start_and_wait(self.nodes)
        asyncio.run(self._join())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for node in self.nodes:
            node.ask_to_stop()
        for node in self.nodes:
            node.stop()

    def kill(self, node: Node) -> None:
        """End a server with SIGKILL, and start it again; on return it answers."""
        node.kill()
        start_and_wait([node])

    async def _join(self) -> None:
        for node in self.nodes:
            await _run(node, "CREATE EXTENSION citus")
        await _run(
            self.coordinator,
            f"SELECT citus_set_coordinator_host('127.0.0.1', {self.coordinator.port})",
            *(f"SELECT citus_add_node('127.0.0.1', {worker.port})" for worker in self.workers),
        )


async def _run(node: Node, *statements: str) -> None:
    connection = await connect(node.url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


class Emptying:
    """Deletes the rows of all tables, asking each worker directly which of its shards have any:
    through the coordinator, each test would wait for a hundred statements.
    """

    def __init__(self, connections: "list[asyncpg.Connection[asyncpg.Record]]") -> None:
        self._connections = connections

    @classmethod
    async def open(cls, cluster: Cluster) -> "Emptying":
        return cls(
            [
                await connect(worker.url, settings={"lock_timeout": "200ms"})
                for worker in cluster.workers
            ]
        )

    async def close(self) -> None:
        for connection in self._connections:
            await connection.close()

    async def run(self) -> None:
        await asyncio.gather(*(one.execute(EMPTY_SHARDS) for one in self._connections))


EMPTY_SHARDS = """
DO $$
DECLARE
    shard regclass;
    touched boolean;
BEGIN
    FOR shard IN SELECT to_regclass(shard_name(logicalrelid, shardid)) FROM pg_dist_shard
        JOIN pg_dist_partition USING (logicalrelid) WHERE partmethod = 'h'
    LOOP
        CONTINUE WHEN shard IS NULL;
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', shard) INTO touched;
        IF touched THEN EXECUTE format('DELETE FROM %s', shard); END IF;
    END LOOP;
END $$
"""
