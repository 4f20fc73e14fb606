"""Jobs survive what dies meanwhile: workers, and PostgreSQL."""

import asyncio
import signal
from pathlib import Path

import pytest

from models.jobs.lists import list_failed_jobs
from models.jobs.queue import TakenJob
from models.postgresql.database import Database
from models.refusals import unavailable
from parley.embedded import EmbeddedServers
from parley.migrations import migrate
from tests.jobs.runners import Runs, is_empty
from tests.jobs.running import (
    SILENT_S,
    list_states,
    queue_jobs,
    running,
    worker_process,
)
from tests.waiting import eventually, steps


async def test_jobs_that_were_left_behind_run_together_where_that_is_wanted(
    queue: Database, database_url: str
) -> None:
    """None waits for the others: each ends only once all have begun."""
    together = asyncio.Barrier(8)

    async def meet(_: TakenJob) -> None:
        await together.wait()

    await queue_jobs(queue, "meet", *range(8))
    await queue.execute(
        "UPDATE jobs SET state = 'running', tries = 1, seen_at = now() - interval '1 h'"
    )
    async with running(database_url, concurrency=8, revives_together=True, meet=meet):
        await eventually(lambda: is_empty(queue))


async def test_jobs_that_were_left_behind_twice_run_alone_all_the_same(
    queue: Database, database_url: str
) -> None:
    at_once = 0
    most = 0

    async def run(_: TakenJob) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await steps(50)
        at_once -= 1

    await queue_jobs(queue, "work", *range(8))
    await queue.execute(
        "UPDATE jobs SET state = 'running', tries = 2, seen_at = now() - interval '1 h'"
    )
    async with running(database_url, concurrency=8, revives_together=True, work=run):
        await eventually(lambda: is_empty(queue))

    assert most == 1


async def test_a_job_whose_servers_are_away_is_not_given_up(
    queue: Database, database_url: str
) -> None:
    runs = Runs(unavailable())
    await queue_jobs(queue, "away", 1)

    async with running(database_url, most_tries=1, away=runs):
        await eventually(lambda: is_empty(queue))

    assert runs.tries == [1, 1]


async def test_a_job_that_kills_its_worker_is_set_aside_and_those_beside_it_run(
    queue: Database, database_url: str, tmp_path: Path
) -> None:
    await queue_jobs(queue, "kills", 1)
    await queue_jobs(queue, "works", 1)
    await queue_jobs(queue, "writes", *range(10))

    async with worker_process(database_url, tmp_path) as worker:
        await eventually(lambda: list_settled(queue, [("kills", "failed")]))

    assert worker.lines().count("kills 1") == 3
    assert {f"writes {n}" for n in range(10)} <= set(worker.lines())
    assert (await list_failed_jobs(queue, most=9))[0].fault.name == "WorkerDied"


async def list_settled(queue: Database, states: list[tuple[str, str]]) -> bool:
    return await list_states(queue) == states


async def test_a_job_whose_worker_was_killed_runs_again_elsewhere(
    queue: Database, database_url: str, tmp_path: Path
) -> None:
    runs = Runs()
    await queue_jobs(queue, "hangs", 7)
    async with worker_process(database_url, tmp_path) as worker:
        await eventually(lambda: worker.lines() == ["hangs 7"])

    async with running(database_url, silent_s=SILENT_S, hangs=runs):
        await eventually(lambda: is_empty(queue))

    assert runs.payloads == [7]
    assert runs.tries == [2]


async def test_a_worker_that_is_told_to_stop_leaves_its_jobs_to_others_at_once(
    queue: Database, database_url: str, tmp_path: Path
) -> None:
    await queue_jobs(queue, "hangs", 7)
    async with worker_process(database_url, tmp_path) as worker:
        await eventually(lambda: worker.lines() == ["hangs 7"])
        worker.end(signal.SIGTERM)
        process = worker.process
        assert process is not None
        await asyncio.wait_for(process.wait(), 60)
        await eventually(lambda: worker.lines() == ["hangs 7"] * 2)
        row = await queue.fetchrow("SELECT state, tries FROM jobs")

    assert process.returncode == 0
    assert row is not None
    # Whoever takes what was left behind by a dead worker takes it for the second time.
    assert tuple(row) == ("running", 1)


async def test_a_runner_outlives_a_restart_of_postgresql(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runs = Runs()
    with EmbeddedServers(tmp_path, only=("postgresql",), durable=False) as servers:
        await asyncio.to_thread(migrate, servers.database_url)
        database = await Database.open(servers.database_url)
        async with running(servers.database_url, count=runs):
            await queue_jobs(database, "count", 1)
            await eventually(lambda: runs.payloads == [1])
            servers.kill("postgresql")
            await eventually(lambda: "service that is away" in caplog.text)
            servers.start("postgresql")
            await eventually(lambda: _queues(database, "count", 2))
            await eventually(lambda: 2 in runs.payloads)
        await database.close()


async def _queues(database: Database, kind: str, payload: object) -> bool:
    try:
        await queue_jobs(database, kind, payload)
    except Exception:
        return False
    return True
