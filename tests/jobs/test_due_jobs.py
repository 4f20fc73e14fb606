"""Jobs are queued after the commit of what they belong to, in a database that may be another: none
is lost, and none is queued twice.
"""

import msgspec
import pytest

from models import ids
from models.jobs.due import DueJobs, forget_queued, queue_left, transaction_with_jobs
from models.jobs.jobs import enqueue, queue_of
from models.postgresql.database import Database
from tests.jobs.apart import Apart
from tests.jobs.due_sites import SITES, Site
from tests.jobs.running import list_states
from tests.make import Person
from tests.waiting import eventually
from workers.jobs.due_sweep import DUE_SWEEP_LEASE_S, LEFT_AFTER_S, SWEEP_EVERY_S

sites = pytest.mark.parametrize("site", SITES.values(), ids=SITES)


@sites
async def test_a_job_is_queued_at_once(
    site: Site, ground: Apart, pair: tuple[Person, Person]
) -> None:
    act = await site.prepare(ground, *pair)

    answer = await act()

    assert answer["__typename"] != "Refusal", answer
    await eventually(lambda: has(ground, site.kind))
    await eventually(ground.is_all_queued)
    assert await list_states(ground.database) == []


@sites
async def test_what_cannot_be_queued_fails_nothing_and_is_queued_by_the_sweep(
    site: Site, ground: Apart, pair: tuple[Person, Person]
) -> None:
    act = await site.prepare(ground, *pair)
    ground.go_away()

    answer = await act()

    assert answer["__typename"] != "Refusal", answer
    assert await eventually(ground.left) == 1
    assert await ground.kinds() == []
    async with ground.sweeping():
        await eventually(lambda: has(ground, site.kind))
        await eventually(ground.is_all_queued)
    assert await ground.kinds() == [site.kind]


async def has(ground: Apart, *kinds: str) -> bool:
    return await ground.kinds() == list(kinds)


async def test_jobs_of_one_transaction_are_all_queued_or_none(database: Database) -> None:
    async def fail() -> None:
        async with transaction_with_jobs(database) as (_, due):
            due.add("one", [1])
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert await list_states(database) == []

    async with transaction_with_jobs(database) as (_, due):
        due.add("one", [1, 2])
        due.add("other", [3], after_s=60)

    assert await list_states(database) == [
        ("one", "waiting"),
        ("one", "waiting"),
        ("other", "waiting"),
    ]
    assert await database.fetchval("SELECT due_at > now() FROM jobs WHERE kind = 'other'")
    assert await queue_left(database, older_than_s=0, most=10) == 0


async def test_what_two_processes_queue_is_queued_once_also_when_it_has_run(
    database: Database,
) -> None:
    due = DueJobs()
    due.add("once", [1])
    async with database.transaction() as connection:
        await due.store(connection)
    assert await queue_left(database, older_than_s=0, most=10) == 1

    await due.queue(database)
    assert await list_states(database) == [("once", "waiting")]

    await database.execute("DELETE FROM jobs")
    await due.queue(database)
    assert await list_states(database) == []


async def test_a_job_under_a_dedupe_key_that_waits_is_not_queued_again(
    database: Database,
) -> None:
    for _ in range(2):
        async with transaction_with_jobs(database) as (_, due):
            due.add("once", [1], dedupe_keys=["the key"])

    assert await list_states(database) == [("once", "waiting")]


async def test_the_sweep_leaves_to_others_what_they_have_just_stored(database: Database) -> None:
    await store(database)

    assert await queue_left(database, older_than_s=60, most=10) == 0
    assert await list_states(database) == []


async def store(database: Database) -> None:
    """Store a job as a process does that dies then."""
    due = DueJobs()
    due.add("left", [1])
    async with database.transaction() as connection:
        await due.store(connection)


async def test_a_row_that_cannot_be_read_holds_up_no_other(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await store(database)
    await database.execute("UPDATE due_jobs SET jobs = 'of a later release', bucket = 0")
    await store(database)

    assert await queue_left(database, older_than_s=0, most=10) == 1

    assert await list_states(database) == [("left", "waiting")]
    assert await database.fetchval("SELECT count(*) FROM due_jobs") == 1
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_what_was_queued_is_forgotten_after_a_while(database: Database) -> None:
    await store(database)
    await queue_left(database, older_than_s=0, most=10)

    await forget_queued(database)
    assert await remembered(database) == 1
    await database.execute("UPDATE queued_due_jobs SET at = now() - interval '1 h'")
    await forget_queued(database)
    assert await remembered(database) == 0


async def remembered(database: Database) -> int:
    count: int = await queue_of(database).fetchval("SELECT count(*) FROM queued_due_jobs")
    return count


async def test_jobs_of_processes_that_do_not_know_of_the_queue_are_moved_there(
    ground: Apart,
) -> None:
    view = ids.new_id()
    async with ground.database.transaction() as connection:
        await enqueue(connection, "now", [{"n": 1}], dedupe_keys=["the key"], owner_id="somebody")
        await enqueue(connection, "later", [{"n": 2}], after_s=3600)
        await connection.execute(
            "INSERT INTO push_parked (gate, user_id, device_id, channel_id, kind) "
            "VALUES ('a gate', $1, $1, $1, 'FCM')",
            view,
        )
    rows = "SELECT kind, payload, dedupe_key, turn, due_at FROM jobs ORDER BY id"
    queued = await ground.database.fetch(rows)

    async with ground.sweeping():
        await eventually(lambda: has(ground, "later", "now", "push_fcm"))
        await eventually(ground.is_all_queued)

    moved = {row["kind"]: row for row in await ground.queue.fetch(rows)}
    assert [moved[row["kind"]] for row in queued] == queued
    assert msgspec.json.decode(moved["push_fcm"]["payload"]) == {"u": view, "d": view, "c": view}
    assert await list_states(ground.database) == []
    assert await ground.database.fetchval("SELECT count(*) FROM push_parked") == 0


def test_what_a_dead_process_left_is_queued_within_half_a_minute() -> None:
    """Also when it was the one that swept: its lease has to end first."""
    assert max(LEFT_AFTER_S, DUE_SWEEP_LEASE_S) + SWEEP_EVERY_S < 25
    assert DUE_SWEEP_LEASE_S > SWEEP_EVERY_S
