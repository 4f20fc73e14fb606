"""A node whose queue of jobs is in another database than all else, reached through a proxy."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, urlsplit

from models import ids
from models.duties import Duty
from models.postgresql.database import Database, connect
from parley.settings import Settings
from tests.faults.proxy import Link, Proxy, proxy
from tests.push.fakes.every_provider import every_provider
from workers.jobs.due_sweep import DueSweep


@dataclass(frozen=True)
class Apart:
    """`database` is that of the app, `queue` that of the jobs, straight; `settings` are those of
    processes whose way to the queue leads `between`.
    """

    database: Database
    queue: Database
    between: Proxy
    settings: Settings

    def go_away(self) -> None:
        """Refuse and cut all connections to the queue."""
        self.between.open = False
        for link in tuple(self.between.links):
            link.cut()

    def fall_silent(self) -> None:
        """Let connections to the queue begin, and then answer nothing."""
        self.between.to_server = _hush
        for link in self.between.links:
            link.silent = True

    def come_back(self) -> None:
        self.between.open = True
        self.between.to_server = _pass_on

    async def kinds(self) -> list[str]:
        """Return the kinds of the jobs in the queue."""
        rows = await self.queue.fetch("SELECT kind FROM jobs ORDER BY kind, id")
        return [row["kind"] for row in rows]

    async def left(self) -> int:
        """Return how many rows of due jobs are not known to be queued."""
        count: int = await self.database.fetchval("SELECT count(*) FROM due_jobs")
        return count

    async def is_all_queued(self) -> bool:
        return await self.left() == 0

    @asynccontextmanager
    async def sweeping(self) -> AsyncIterator[None]:
        """A worker's sweep in this loop, straight to the queue."""
        database = await Database.open(self.database.url, statement_timeout_s=60, connections=2)
        database.jobs = self.queue
        sweep = DueSweep(
            database, Duty(database, ids.new_id(), ids.new_id()), every_s=0.05, left_after_s=0
        )
        sweep.start()
        try:
            yield
        finally:
            await sweep.close()
            await database.close()


def _hush(link: Link, passing: bytes) -> None:
    link.silent = True


def _pass_on(link: Link, passing: bytes) -> None:
    return None


async def make_database(url: str, name: str) -> str:
    """Make an empty database beside the one of this URL, and return its URL."""
    connection = await connect(url)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    return urlsplit(url)._replace(path=f"/{name}").geturl()


@asynccontextmanager
async def apart(database: Database, queue: Database, settings: Settings) -> AsyncIterator[Apart]:
    """Lead the way to the queue through a proxy."""
    url = urlsplit(queue.url)
    assert url.port is not None
    async with proxy(url.port) as between:
        at_proxy = replace(
            settings,
            jobs_database_url=_at(url, between.port),
            providers=every_provider(),
            limits=replace(settings.limits, media_delete_after_delivery=1),
        )
        yield Apart(database, queue, between, at_proxy)


def _at(url: SplitResult, port: int) -> str:
    credentials = url.netloc.rpartition("@")[0]
    return url._replace(netloc=f"{credentials}@127.0.0.1:{port}").geturl()
