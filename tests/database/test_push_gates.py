"""Gates: closed for all workers, tried by one, and opened for all who wait."""

import asyncio

import pytest_asyncio

from models import ids
from models.limits.limits import Limits
from models.postgresql.database import Database
from models.push.addresses import PushEndpointKind
from models.push.gates import (
    Closed,
    Parked,
    close_gates,
    list_closed,
    look_after_gates,
    open_gate,
    park,
    release,
)
from models.push.states import PushKey

# Longer than a busy machine keeps anybody waiting.
EVERY_S = 60.0
LOOKS = 20
LIMITS = Limits(push_recovery_s=LOOKS * EVERY_S)
GATE = "FCM a-project"
JOBS = "SELECT count(*) FROM jobs"
LEFT_S = "SELECT extract(epoch FROM closed_until - now())::float8 FROM push_gates"


@pytest_asyncio.fixture(autouse=True)
async def no_jobs(database: Database) -> None:
    await database.execute("DELETE FROM jobs")


async def close(database: Database, after_s: float, gate: str = GATE) -> None:
    await close_gates(database, [Closed(gate, after_s)])


async def pass_time(database: Database, seconds: float) -> None:
    """All that happened did so much earlier."""
    await database.execute(
        "UPDATE push_gates SET closed_until = closed_until - x.age, since = since - x.age, "
        "opened_at = opened_at - x.age, looked_at = looked_at - x.age "
        "FROM (SELECT make_interval(secs => $1) AS age) x",
        seconds,
    )


async def park_some(database: Database, count: int, gate: str = GATE) -> None:
    async with database.transaction() as connection:
        keys = [PushKey(ids.new_id(), ids.new_id(), ids.new_id()) for _ in range(count)]
        await park(connection, [Parked(gate, key, PushEndpointKind.FCM) for key in keys])


async def count_jobs(database: Database) -> int:
    found: int = await database.fetchval(JOBS)
    return found


async def look(database: Database) -> int:
    return await look_after_gates(database, limits=LIMITS, every_s=EVERY_S)


async def test_nobody_passes_before_its_time_and_then_one_does(database: Database) -> None:
    await close(database, 30)
    assert await list_closed(database, [GATE, "FCM another"], probe_s=5) == {GATE: False}

    await pass_time(database, 30)
    asked = [list_closed(database, [GATE], probe_s=3600) for _ in range(20)]
    found = [each[GATE] for each in await asyncio.gather(*asked)]

    assert sorted(found) == [False] * 19 + [True]
    assert 3500 < await database.fetchval(LEFT_S) <= 3600


async def test_is_never_closed_for_shorter_than_it_is(database: Database) -> None:
    await asyncio.gather(*(close(database, after_s) for after_s in (1, 3600, 5)))

    assert 3500 < await database.fetchval(LEFT_S) <= 3600


async def test_says_for_how_long_nothing_has_come_through(database: Database) -> None:
    await close(database, 1)
    await pass_time(database, 3600)

    since_s = await close_gates(database, [Closed(GATE, 1)])
    assert 3600 <= since_s[GATE] < 3660

    await open_gate(database, GATE)
    assert (await close_gates(database, [Closed(GATE, 1)]))[GATE] == 0


async def test_what_waits_is_tried_one_at_a_time_until_there_is_an_answer(
    database: Database,
) -> None:
    await close(database, EVERY_S)
    await park_some(database, 50)
    assert await look(database) == 0

    await pass_time(database, EVERY_S)

    assert await look(database) == 1
    assert await look(database) == 0, "another worker has just looked"
    assert await count_jobs(database) == 1


async def test_no_more_go_than_are_to_also_when_the_planner_takes_the_table_for_empty(
    database: Database,
) -> None:
    await database.execute("ANALYZE push_parked")
    await close(database, 5)
    await park_some(database, 50)

    async with database.transaction() as connection:
        assert await release(connection, GATE, 3) == 3


async def test_all_that_waits_goes_within_the_time_of_recovery(database: Database) -> None:
    """The clock is moved by hand, from look to look."""
    await close(database, 5)
    await park_some(database, 4000)
    await open_gate(database, GATE)

    released = []
    for _ in range(LOOKS):
        released.append(await look(database))
        await pass_time(database, EVERY_S)

    assert sum(released) == 4000 == await count_jobs(database)
    assert max(released) <= 1.5 * 4000 / LOOKS


async def test_nothing_is_parked_at_a_gate_that_was_opened_meanwhile(database: Database) -> None:
    """Whoever opens it waits for those who are about to park."""
    await close(database, 5)
    async with database.transaction() as connection:
        key = PushKey(ids.new_id(), ids.new_id(), ids.new_id())
        await park(connection, [Parked(GATE, key, PushEndpointKind.FCM)])
        opening = asyncio.create_task(open_gate(database, GATE))
        done, _ = await asyncio.wait([opening], timeout=0.1)
        assert not done
    await opening

    assert await look(database) == 1
    await park_some(database, 1)
    assert await count_jobs(database) == 2


async def test_a_gate_at_which_nothing_waits_goes(database: Database) -> None:
    await close(database, 5)
    await pass_time(database, 5)

    await look(database)

    assert await database.fetchval("SELECT count(*) FROM push_gates") == 0
