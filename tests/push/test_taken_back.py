"""What was shown and should be no longer is taken back, once and silently."""

from typing import Any

import pytest

from models.postgresql.database import Database
from tests.changes import DELETE, EDIT
from tests.groups import LEAVE, REMOVE, make_group
from tests.make import AnotherDevice, Person
from tests.push.conftest import Working
from tests.push.phones import Gate, MakePhone, Phone, is_settled
from tests.waiting import eventually

BLOCK = """mutation ($id: ID!, $blocked: Boolean!) { setBlocked(userId: $id, blocked: $blocked) {
    __typename } }"""


async def taken_back(phone: Phone, *, badge: int = 0) -> dict[str, Any]:
    """Return the one removal, after one push."""
    await phone.has(2)
    assert phone.screen == {}
    removal = phone.pushes[1]
    assert removal["aps"] == {"content-available": 1, "badge": badge}
    return removal


@pytest.mark.usefixtures("worker")
async def test_read_on_another_device(
    alice: Person,
    bob: Person,
    chat: str,
    phone: MakePhone,
    another_device: AnotherDevice,
    database: Database,
) -> None:
    bobs, tablet = await phone(bob), await another_device(bob)
    await alice.say(chat, "Hello?")
    await bobs.has(1)

    await tablet.acknowledge(chat, read=1)

    removal = await taken_back(bobs)
    assert removal["thread"] == bobs.pushes[0]["thread"]
    await tablet.acknowledge(chat, read=1)
    await eventually(lambda: is_settled(database))
    assert len(bobs.pushes) == 2


@pytest.mark.usefixtures("worker")
async def test_deleted(alice: Person, bob: Person, chat: str, phone: MakePhone) -> None:
    bobs = await phone(bob)
    said = await alice.say(chat, "Oh no")
    await bobs.has(1)

    await alice.mutate(DELETE, id=said["id"])

    await taken_back(bobs)


@pytest.mark.usefixtures("worker")
async def test_edited_is_shown_as_it_is_now(
    alice: Person, bob: Person, chat: str, phone: MakePhone
) -> None:
    bobs = await phone(bob)
    said = await alice.say(chat, "Helo")
    await bobs.has(1)

    await alice.mutate(EDIT, id=said["id"], text="Hello")

    assert await bobs.has(2) == [("Alice", "Helo"), ("Alice", "Hello")]
    assert list(bobs.screen.values()) == ["Hello"]


@pytest.mark.usefixtures("worker")
async def test_blocked_by_either(alice: Person, bob: Person, chat: str, phone: MakePhone) -> None:
    bobs = await phone(bob)
    await alice.say(chat, "Hello?")
    await bobs.has(1)

    await bob.mutate(BLOCK, id=alice.id, blocked=True)

    # It stays in the chat, unread.
    await taken_back(bobs, badge=1)


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("way", ["left", "removed"])
async def test_in_the_group_no_longer(
    way: str, alice: Person, bob: Person, phone: MakePhone
) -> None:
    group = await make_group(alice, bob, name="Friends")
    bobs = await phone(bob)
    await alice.say(group, "Hello?")
    assert await bobs.has(1) == [("Alice @ Friends", "Hello?")]

    if way == "left":
        await bob.mutate(LEAVE, groupId=group)
    else:
        await alice.mutate(REMOVE, groupId=group, userId=bob.id)

    await taken_back(bobs)


async def test_read_while_it_was_being_sent(
    alice: Person,
    bob: Person,
    chat: str,
    phone: MakePhone,
    another_device: AnotherDevice,
    working: Working,
    database: Database,
) -> None:
    bobs, tablet, gate = await phone(bob), await another_device(bob), Gate()
    async with working(through=gate):
        await alice.say(chat, "Hello?")
        await eventually(lambda: gate.waiting == 1)

        await tablet.acknowledge(chat, read=1)
        await eventually(lambda: database.fetchval("SELECT count(*) = 2 FROM jobs"))
        gate.open()

        await taken_back(bobs)


async def test_edited_while_it_was_being_sent(
    alice: Person,
    bob: Person,
    chat: str,
    phone: MakePhone,
    working: Working,
    database: Database,
) -> None:
    bobs, gate = await phone(bob), Gate()
    async with working(through=gate):
        said = await alice.say(chat, "Helo")
        await eventually(lambda: gate.waiting == 1)

        await alice.mutate(EDIT, id=said["id"], text="Hello")
        await eventually(lambda: database.fetchval("SELECT count(*) = 2 FROM jobs"))
        gate.open()

        assert await bobs.has(2) == [("Alice", "Helo"), ("Alice", "Hello")]
