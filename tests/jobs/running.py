"""Runners of jobs for tests: in the test's own loop, and as processes that can be killed."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from examples.server import ROOT
from models import ids
from models.jobs.jobs import enqueue
from models.jobs.queue import JobQueue
from models.postgresql.database import Database
from parley.embedded import EmbeddedServers
from parley.settings import Settings
from workers.jobs.runner import POLL_S, Jobs, Run

# A worker that is killed is noticed so soon.
SILENT_S = 0.6
# Nobody is taken for dead whom a busy machine keeps waiting.
PATIENT_S = 60.0
# Longer than any test: what begins before was told of, or due by what the last look found.
NO_POLL_S = 3600.0


async def queue_jobs(database: Database, kind: str, *payloads: object, after_s: float = 0) -> None:
    async with database.transaction() as connection:
        await enqueue(connection, kind, payloads, after_s=after_s)


async def list_states(database: Database) -> list[tuple[str, str]]:
    """Kind and state of each job, in the order of their ids."""
    rows = await database.fetch("SELECT kind, state FROM jobs ORDER BY id")
    return [(row[0], row[1]) for row in rows]


@asynccontextmanager
async def running(
    database_url: str,
    *,
    concurrency: int = 4,
    most_tries: int = 3,
    deadline_s: float = 60,
    backoff_s: float = 0.05,
    revives_together: bool = False,
    silent_s: float = PATIENT_S,
    poll_s: float = POLL_S,
    **kinds: Run,
) -> AsyncIterator[Jobs]:
    """A runner of these kinds, in this loop."""
    queue = await JobQueue.open(database_url, ids.new_id())
    jobs = Jobs(queue, silent_s=silent_s, poll_s=poll_s)
    for kind, run in kinds.items():
        jobs.register(
            kind,
            run,
            concurrency=concurrency,
            most_tries=most_tries,
            deadline_s=deadline_s,
            backoff_s=backoff_s,
            revives_together=revives_together,
        )
    jobs.start()
    try:
        yield jobs
    finally:
        await jobs.close(within_s=1)
        await queue.close()


@asynccontextmanager
async def running_in_turn(
    database_url: str, kind: str, run: Run, *, concurrency: int = 1, per_owner: int = 1
) -> AsyncIterator[None]:
    """A runner of that kind, whose owners take turns, in this loop."""
    queue = await JobQueue.open(database_url, ids.new_id())
    jobs = Jobs(queue, silent_s=PATIENT_S)
    jobs.register(
        kind,
        run,
        concurrency=concurrency,
        most_tries=3,
        deadline_s=60,
        per_owner=per_owner,
    )
    jobs.start()
    try:
        yield
    finally:
        await jobs.close(within_s=1)
        await queue.close()


class Kept:
    """A process that is started again whenever it has died, until the block ends."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._command = command
        self._environment = environment
        self._log = log
        self.process: asyncio.subprocess.Process | None = None

    async def keep(self) -> None:
        while True:
            with self._log.open("a") as log:
                self.process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", *self._command),
                    cwd=ROOT,
                    env={**os.environ, **self._environment},
                    stderr=log,
                )
            await self.process.wait()

    def end(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def lines(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []


@asynccontextmanager
async def kept(
    command: Sequence[str], environment: Mapping[str, str], log: Path
) -> AsyncIterator[Kept]:
    one = Kept(command, environment, log)
    keeping = asyncio.create_task(one.keep())
    try:
        yield one
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        if one.process is not None and one.process.returncode is None:
            one.process.kill()
            await one.process.wait()


def worker_process(database_url: str, folder: Path) -> AbstractAsyncContextManager[Kept]:
    """`tests.jobs.worker_process`, whose lines are the jobs that it ran."""
    command = ["tests.jobs.worker_process", database_url, str(folder / "log"), str(SILENT_S)]
    return kept(command, {}, folder / "log")


def real_worker(
    settings: Settings,
    s3: EmbeddedServers,
    folder: Path,
    *,
    s3_port: int | None = None,
    metrics_port: int = 0,
) -> AbstractAsyncContextManager[Kept]:
    """`python -m parley work`, with storage at another port if need be."""
    environment = {
        **environment_of(settings, s3),
        "PARLEY_JOB_SILENCE_S": str(SILENT_S),
        "PARLEY_MEDIA_CONCURRENCY": "1",
        "PARLEY_METRICS_PORT": str(metrics_port),
    }
    if s3_port is not None:
        environment["S3_ENDPOINT_URL"] = f"http://127.0.0.1:{s3_port}"
    return kept(["parley", "work"], environment, folder / "worker.log")


async def run_command(settings: Settings, s3: EmbeddedServers, *words: str) -> tuple[int, str]:
    """Return the exit code of `python -m parley …`, and what it said on standard out."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "parley", *words),
        cwd=ROOT,
        env={**os.environ, **environment_of(settings, s3)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, said.decode()


def environment_of(settings: Settings, s3: EmbeddedServers) -> dict[str, str]:
    apart = settings.jobs_database_url
    return {
        **({"JOBS_DATABASE_URL": apart} if apart else {}),
        "PARLEY_ENV": "development",
        "PARLEY_SECRET": settings.secret,
        "DATABASE_URL": settings.database_url or "",
        "REDIS_URL": settings.redis_url or "",
        "S3_ENDPOINT_URL": s3.s3_endpoint_url,
        "AWS_ACCESS_KEY_ID": s3.s3_access_key_id,
        "AWS_SECRET_ACCESS_KEY": s3.s3_secret_access_key,
    }
