"""When a push is sent: to who is not there, once, and only while it matters."""

import pytest

from models.postgresql.database import Database
from tests.locks import count_waiting
from tests.make import AnotherDevice, Person
from tests.push.conftest import Working
from tests.push.phones import MakePhone, is_checked, is_settled
from tests.waiting import eventually

INBOX = "subscription { inbox { __typename ... on MessageAdded { message { seq } } } }"


@pytest.mark.usefixtures("worker")
async def test_who_follows_nothing_is_pushed_to(
    alice: Person, bob: Person, chat: str, phone: MakePhone
) -> None:
    bobs, alices = await phone(bob), await phone(alice)

    said = await alice.say(chat, "Are you there?")

    assert await bobs.has(1) == [("Alice", "Are you there?")]
    assert (bobs.pushes[0]["message"], bobs.pushes[0]["channel"]) == (said["id"], chat)
    assert alices.pushes == []


@pytest.mark.usefixtures("worker")
async def test_who_reads_on_a_live_device_is_not(
    alice: Person, bob: Person, chat: str, phone: MakePhone, database: Database
) -> None:
    bobs = await phone(bob)
    async with bob.follow(INBOX) as inbox:
        await inbox.event()
        for number in range(1, 6):
            await alice.say(chat, f"{number}")
            await inbox.event()
            await bob.acknowledge(chat, delivered=number)
        await eventually(lambda: is_checked(database))

    assert bobs.pushes == []
    assert await database.fetchval("SELECT count(*) FROM push_states") == 0, "not even a job"


@pytest.mark.usefixtures("worker")
async def test_a_socket_whose_other_end_is_gone_swallows_nothing(
    alice: Person, bob: Person, chat: str, phone: MakePhone
) -> None:
    """It looks live, and acknowledges nothing."""
    bobs = await phone(bob)
    async with bob.follow(INBOX) as inbox:
        await inbox.event()
        await alice.say(chat, "Hello?")
        await alice.say(chat, "Hello!")

        assert await bobs.has(1) == [("Alice", "Hello!")]


async def test_what_was_read_before_the_job_runs_is_not_pushed(
    alice: Person,
    bob: Person,
    chat: str,
    phone: MakePhone,
    another_device: AnotherDevice,
    working: Working,
    database: Database,
) -> None:
    bobs, tablet = await phone(bob), await another_device(bob)
    await alice.say(chat, "Hello?")
    await eventually(lambda: database.fetchval("SELECT count(*) FROM jobs"))

    await tablet.acknowledge(chat, read=1)
    async with working():
        await eventually(lambda: is_checked(database))

    assert bobs.pushes == []


async def test_what_was_delivered_elsewhere_before_the_job_runs_is_not_pushed(
    alice: Person, bob: Person, chat: str, phone: MakePhone, working: Working, database: Database
) -> None:
    bobs = await phone(bob)
    await alice.say(chat, "Hello?")
    await eventually(lambda: database.fetchval("SELECT count(*) FROM jobs"))

    await bob.acknowledge(chat, delivered=1)
    async with working():
        await eventually(lambda: is_settled(database))

    assert bobs.pushes == []


async def test_a_hundred_messages_that_wait_are_one_push_of_the_newest(
    alice: Person, bob: Person, chat: str, phone: MakePhone, working: Working, database: Database
) -> None:
    bobs = await phone(bob)
    for number in range(1, 101):
        await alice.say(chat, f"{number}")
    await eventually(
        lambda: database.fetchval("SELECT bool_and(settled_at IS NOT NULL) FROM outbox")
    )
    assert await database.fetchval("SELECT count(*) FROM jobs") == 1

    async with working():
        assert await bobs.has(1) == [("Alice", "100")]
        await eventually(lambda: is_checked(database))

    assert len(bobs.pushes) == 1
    assert bobs.pushes[0]["aps"]["badge"] == 100


@pytest.mark.usefixtures("worker")
async def test_each_message_is_covered_by_a_push_sent_after_it(
    alice: Person, bob: Person, chat: str, phone: MakePhone, database: Database
) -> None:
    bobs = await phone(bob)
    for number in range(1, 31):
        await alice.say(chat, f"{number}")
    await eventually(lambda: is_settled(database))
    await eventually(lambda: bobs.screen and bobs.shown[-1] == ("Alice", "30"))

    numbers = [int(body or 0) for _, body in bobs.shown]
    assert numbers == sorted(set(numbers))
    # It is counted after: more may have come meanwhile.
    badges = [push["aps"]["badge"] for push in bobs.pushes]
    assert all(badge >= number for badge, number in zip(badges, numbers, strict=True))
    assert badges[-1] == 30


async def test_a_batch_is_settled_once_its_pushes_are_queued(
    alice: Person, bob: Person, chat: str, phone: MakePhone, database: Database
) -> None:
    """And the send is answered before, whatever holds the queueing up."""
    await phone(bob)
    jobs_and_unsettled = """SELECT (SELECT count(*) FROM jobs),
        (SELECT count(*) FROM outbox WHERE settled_at IS NULL)"""
    async with database.transaction() as connection:
        await connection.execute("LOCK push_endpoints")
        await alice.say(chat, "1")
        await eventually(lambda: count_waiting(database))
        assert tuple(await connection.fetchrow(jobs_and_unsettled) or ()) == (0, 1)

    await eventually(lambda: is_queued(database))


async def is_queued(database: Database) -> bool:
    settled: bool = await database.fetchval("SELECT bool_and(settled_at IS NOT NULL) FROM outbox")
    return settled and await database.fetchval("SELECT count(*) FROM jobs") == 1
