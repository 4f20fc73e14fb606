"""Jobs run at least once, later after a failure, and never for ever."""

import asyncio
import time
from functools import partial
from itertools import pairwise

import pytest

from models.jobs.lists import list_failed_jobs
from models.jobs.queue import TakenJob
from models.postgresql.database import Database
from tests.jobs.runners import Runs, is_empty
from tests.jobs.running import (
    NO_POLL_S,
    list_states,
    queue_jobs,
    running,
)
from tests.waiting import eventually
from workers.jobs.runner import RetryLater, SetAside


async def test_each_job_runs_once(queue: Database, database_url: str) -> None:
    runs = Runs()
    await queue_jobs(queue, "count", *range(100))

    async with running(database_url, count=runs), running(database_url, count=runs):
        await queue_jobs(queue, "count", *range(100, 200))
        await eventually(lambda: is_empty(queue))

    assert sorted(str(each) for each in runs.payloads) == sorted(str(each) for each in range(200))


async def test_a_job_that_is_queued_begins_at_once(queue: Database, database_url: str) -> None:
    """By being told of it: nothing else would find it in time."""
    runs = Runs()
    async with running(database_url, poll_s=NO_POLL_S, count=runs):
        await eventually(lambda: _is_heard(queue))
        for number in range(1, 5):
            await queue_jobs(queue, "count", number)
            await eventually(partial(runs.have_been, number))


async def _is_heard(queue: Database) -> bool:
    """Return True once a runner has its own connection on which it is told of jobs."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE query ILIKE 'LISTEN%' AND state = 'idle'"
    return bool(await queue.fetchval(sql))


async def test_a_job_waits_until_it_is_due(queue: Database, database_url: str) -> None:
    runs = Runs()
    queued_at = time.monotonic()
    await queue_jobs(queue, "wait", "later", after_s=0.4)
    await queue_jobs(queue, "wait", "now")

    async with running(database_url, poll_s=NO_POLL_S, wait=runs):
        await eventually(lambda: is_empty(queue))

    assert sorted(map(str, runs.payloads)) == ["later", "now"]
    assert runs.at[runs.payloads.index("later")] - queued_at >= 0.4


async def test_a_job_that_fails_is_tried_again_later_each_time(
    queue: Database, database_url: str
) -> None:
    runs = Runs(KeyError("a"), KeyError("b"))
    await queue_jobs(queue, "fail", 1)

    async with running(database_url, backoff_s=0.2, fail=runs):
        await eventually(lambda: is_empty(queue))

    assert runs.at[1] - runs.at[0] >= 0.15
    assert runs.at[2] - runs.at[1] >= 0.3
    assert runs.tries == [1, 2, 3]


async def test_a_job_that_is_put_off_or_lacks_a_server_uses_up_no_tries(
    queue: Database, database_url: str
) -> None:
    runs = Runs(*(RetryLater(0.02) for _ in range(5)))
    await queue_jobs(queue, "later", 1)

    async with running(database_url, most_tries=1, later=runs):
        await eventually(lambda: is_empty(queue))

    assert runs.tries == [1] * 6


async def test_a_job_that_is_put_off_comes_no_earlier_than_it_asked_for(
    queue: Database, database_url: str
) -> None:
    runs = Runs(*(RetryLater(0.2) for _ in range(6)))
    await queue_jobs(queue, "later", 1)

    async with running(database_url, later=runs):
        await eventually(lambda: is_empty(queue))

    assert all(b - a >= 0.2 for a, b in pairwise(runs.at)), runs.at


async def test_a_job_that_always_fails_is_set_aside_and_those_behind_it_run(
    queue: Database, database_url: str
) -> None:
    runs, poison = Runs(), Runs(*(KeyError("secret") for _ in range(9)))
    await queue_jobs(queue, "poison", {"secret": 1})
    await queue_jobs(queue, "fine", 1)

    async with running(database_url, concurrency=1, poison=poison, fine=runs):
        await eventually(lambda: _is_set_aside(queue))

    assert (len(poison.at), len(runs.at)) == (3, 1)
    failed = (await list_failed_jobs(queue, most=10))[0]
    assert (failed.kind, failed.tries, failed.fault.name) == ("poison", 3, "KeyError")
    assert "secret" not in failed.fault.sentence


async def _is_set_aside(queue: Database) -> bool:
    return [state for _, state in await list_states(queue)] == ["failed"]


async def test_a_job_can_say_that_no_further_try_helps(queue: Database, database_url: str) -> None:
    runs = Runs(SetAside("Nobody can do this."))
    await queue_jobs(queue, "hopeless", 1)

    async with running(database_url, hopeless=runs):
        await eventually(lambda: _is_set_aside(queue))

    assert (await list_failed_jobs(queue, most=1))[0].fault.sentence == "Nobody can do this."


@pytest.mark.parametrize("said", ["a byte \0 that no column takes", "half of a pair \ud800"])
async def test_what_is_said_of_a_job_holds_up_no_other(
    queue: Database, database_url: str, said: str
) -> None:
    """Some of it is what a server somewhere answered to a push."""
    await queue_jobs(queue, "odd", 1)
    await queue_jobs(queue, "even", 2)

    async def is_written() -> bool:
        return await list_states(queue) == [("odd", "failed")]

    async with running(database_url, odd=Runs(SetAside(said)), even=Runs()):
        await eventually(is_written)

    sentence = (await list_failed_jobs(queue, most=1))[0].fault.sentence
    assert sentence[:6] == said[:6]


async def test_a_job_that_takes_too_long_is_ended_and_counts_as_failed(
    queue: Database, database_url: str
) -> None:
    async def hang(job: TakenJob) -> None:
        await asyncio.Event().wait()

    await queue_jobs(queue, "hang", 1)

    async with running(database_url, most_tries=2, deadline_s=0.1, hang=hang):
        await eventually(lambda: _is_set_aside(queue))

    assert (await list_failed_jobs(queue, most=1))[0].fault.name == "TimeoutError"


async def test_a_kind_runs_so_many_at_once_and_holds_up_no_other(
    queue: Database, database_url: str
) -> None:
    runs, free, now, most = Runs(), asyncio.Event(), 0, 0

    async def be_slow(job: TakenJob) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await free.wait()
        now -= 1

    await queue_jobs(queue, "slow", *range(20))
    async with running(database_url, concurrency=3, slow=be_slow, quick=runs):
        await eventually(lambda: now == 3)
        await queue_jobs(queue, "quick", *range(20))
        await eventually(lambda: len(runs.at) == 20)
        assert now == 3
        free.set()
        await eventually(lambda: is_empty(queue))

    assert most == 3
