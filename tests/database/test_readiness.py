"""Whether PostgreSQL takes writes is known soon, whatever it and its pool are doing. (A second is
promised; a busy machine may take longer, and may leave a question without its answer, so these
tests ask again.)
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest_asyncio

from models.postgresql.database import Database
from models.postgresql.readiness import QUESTION, Readiness
from parley.revisions import newest_revision
from tests.embedded.process_table import descendants
from tests.waiting import eventually

# Without a bound of its own a question to a frozen server takes 5 s.
SOON_S = 3


@pytest_asyncio.fixture
async def readiness(database_url: str) -> AsyncIterator[Readiness]:
    readiness = Readiness(database_url, newest_revision())
    yield readiness
    await readiness.close()


async def backend_of(database: Database) -> int:
    found: int = await database.fetchval(
        "SELECT pid FROM pg_stat_activity WHERE query = $1 ORDER BY backend_start DESC", QUESTION
    )
    return found


async def is_soon_told_no(readiness: Readiness) -> bool:
    asking = asyncio.create_task(readiness.ask())
    await asyncio.wait({asking}, timeout=SOON_S)
    if asking.done():
        return not asking.result()
    asking.cancel()
    return False


async def test_ready_is_who_takes_writes_and_has_the_revision(
    database_url: str, readiness: Readiness
) -> None:
    of_old = Readiness(database_url, "another")

    assert await eventually(readiness.ask)
    assert not await of_old.ask()

    await of_old.close()


async def test_a_process_of_the_release_before_is_ready_on_a_newer_database(
    database_url: str,
) -> None:
    before, after = Readiness(database_url, "0001"), Readiness(database_url, "9999")

    assert await eventually(before.ask)
    assert not await after.ask()

    await before.close()
    await after.close()


async def test_a_question_that_is_not_answered_is_a_no_and_the_next_goes_another_way(
    database: Database, readiness: Readiness
) -> None:
    assert await eventually(readiness.ask)
    frozen = await backend_of(database)
    os.kill(frozen, signal.SIGSTOP)
    try:
        await eventually(lambda: is_soon_told_no(readiness))
        assert await eventually(readiness.ask)
        assert await backend_of(database) != frozen
    finally:
        os.kill(frozen, signal.SIGCONT)


async def test_a_postgresql_that_stands_still_is_not_ready_and_is_again_when_it_goes_on(
    database: Database, readiness: Readiness, postgresql_pid: int
) -> None:
    assert await eventually(readiness.ask)
    all_of_it = [postgresql_pid, *descendants(postgresql_pid)]
    for pid in all_of_it:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert await eventually(lambda: is_soon_told_no(readiness))
        # Nor can it be asked anew.
        assert await eventually(lambda: is_soon_told_no(readiness))
    finally:
        for pid in all_of_it:
            os.kill(pid, signal.SIGCONT)

    assert await eventually(readiness.ask)


async def test_a_pool_that_is_in_use_does_not_matter(
    database_url: str, readiness: Readiness
) -> None:
    small = await Database.open(database_url, connections=1)
    try:
        async with small.connection():
            assert await eventually(readiness.ask)
    finally:
        await small.close()


async def count_asking(database: Database) -> int:
    """Return how many connections asked the question last."""
    asking = "SELECT count(*) FROM pg_stat_activity WHERE query = $1"
    return int(await database.fetchval(asking, QUESTION))


async def test_those_who_ask_at_once_share_the_question(
    database: Database, readiness: Readiness
) -> None:
    async def connections_of_fifty() -> int:
        # Nodes of other tests may have asked before.
        before = await count_asking(database)
        answers = await asyncio.gather(*(readiness.ask() for _ in range(50)))
        return await count_asking(database) - before if all(answers) else 0

    assert await eventually(connections_of_fifty) == 1


async def test_one_who_stops_waiting_stops_nobody_else(readiness: Readiness) -> None:
    async def other_is_answered() -> bool:
        one, other = (asyncio.create_task(readiness.ask()) for _ in range(2))
        await asyncio.sleep(0)
        one.cancel()
        return await other

    assert await eventually(other_is_answered)
