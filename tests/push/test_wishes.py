"""Mutes, mentions, quiet hours and previews: what people want to be shown, and when."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.postgresql.database import Database
from models.push.settings import (
    PushPreview,
    PushSettingsChanges,
    QuietHours,
    set_push_settings,
)
from tests.groups import make_group
from tests.make import Person
from tests.push.phones import MakePhone, is_settled
from tests.waiting import eventually

MUTE = """mutation ($id: ID!, $until: DateTime) { muteChannel(channelId: $id, until: $until) {
    __typename } }"""
FAR_OFF = "9999-12-31T23:59:59.999Z"

Wish = Callable[..., Awaitable[None]]

pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture
def wish(database: Database) -> Wish:
    """`await wish(bob, preview=…)`."""

    async def write(person: Person, **changes: Any) -> None:
        await set_push_settings(
            database, person.user.id, person.inner_device_id, PushSettingsChanges(**changes)
        )

    return write


def quiet_now(zone: str, hours: int) -> QuietHours:
    """Quiet hours of the zone, around now, until in so many hours."""
    now = datetime.now(UTC) + timedelta(hours={"Asia/Tokyo": 9, "UTC": 0}[zone])
    minute = now.hour * 60 + now.minute
    return QuietHours((minute - 60) % 1440, (minute + 60 * hours) % 1440, zone)


@pytest.mark.parametrize(
    ("preview", "shown"),
    [
        (PushPreview.NOTHING, ("New message", None)),
        (PushPreview.SENDER, ("Alice @ Friends", "New message")),
        (PushPreview.MESSAGE, ("Alice @ Friends", "The secret")),
    ],
)
async def test_a_push_shows_as_much_as_its_device_allows(
    preview: PushPreview,
    shown: tuple[str, str | None],
    alice: Person,
    bob: Person,
    phone: MakePhone,
    wish: Wish,
) -> None:
    group = await make_group(alice, bob, name="Friends")
    bobs = await phone(bob)
    await wish(bob, preview=preview)

    await alice.say(group, "The secret")

    assert await bobs.has(1) == [shown]
    shows_all = preview is PushPreview.MESSAGE
    assert bobs.pushes[0].get("kind") == ("TEXT" if shows_all else None)
    assert ("secret" in str(bobs.apple.accepted)) == shows_all


async def test_a_muted_channel_pushes_only_mentions(
    alice: Person, bob: Person, phone: MakePhone, database: Database
) -> None:
    group = await make_group(alice, bob, name="Friends")
    bobs = await phone(bob)
    await bob.mutate(MUTE, id=group, until=FAR_OFF)

    await alice.say(group, "To all")
    await alice.say(group, "To Bob", mentions=[bob.id])
    await alice.say(group, "To all again")

    assert await bobs.has(1) == [("Alice @ Friends", "To Bob")]
    await eventually(lambda: is_settled(database))
    assert len(bobs.pushes) == 1


async def test_a_mention_in_a_muted_channel_is_quiet_where_that_is_wanted(
    alice: Person, bob: Person, phone: MakePhone, wish: Wish, database: Database
) -> None:
    group = await make_group(alice, bob)
    bobs = await phone(bob)
    await bob.mutate(MUTE, id=group, until=FAR_OFF)
    await wish(bob, mentions_when_muted=False)

    await alice.say(group, "To Bob", mentions=[bob.id])
    await eventually(lambda: is_settled(database))

    assert bobs.pushes == []


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "UTC"])
async def test_in_quiet_hours_a_job_waits_for_their_end(
    zone: str,
    alice: Person,
    bob: Person,
    chat: str,
    phone: MakePhone,
    wish: Wish,
    database: Database,
) -> None:
    bobs = await phone(bob)
    await wish(bob, quiet_hours=quiet_now(zone, 3))

    for text in ("It is night", "Still"):
        await alice.say(chat, text)
        await eventually(lambda: is_settled(database))

    assert bobs.pushes == []
    waits = await database.fetch("SELECT due_at - now() FROM jobs")
    assert len(waits) == 1
    assert timedelta(hours=2, minutes=55) < waits[0][0] <= timedelta(hours=3)


async def test_who_ends_their_quiet_hours_hears_at_once(
    alice: Person, bob: Person, chat: str, phone: MakePhone, wish: Wish, database: Database
) -> None:
    bobs = await phone(bob)
    await wish(bob, quiet_hours=quiet_now("UTC", 3))
    await alice.say(chat, "It is night")
    await eventually(lambda: is_settled(database))

    await wish(bob, quiet_hours=None)

    assert await bobs.has(1) == [("Alice", "It is night")]


async def test_what_is_read_goes_in_quiet_hours_too(
    alice: Person, bob: Person, chat: str, phone: MakePhone, wish: Wish, database: Database
) -> None:
    bobs = await phone(bob)
    await alice.say(chat, "Good night")
    await bobs.has(1)
    await wish(bob, quiet_hours=quiet_now("UTC", 3))
    await alice.say(chat, "Still up?")
    await eventually(lambda: is_settled(database))

    await bob.acknowledge(chat, read=1)

    await bobs.has(2)
    assert bobs.screen == {}


async def test_the_badge_counts_all_channels(
    alice: Person, bob: Person, carol: Person, chat: str, phone: MakePhone, database: Database
) -> None:
    bobs = await phone(bob)
    with_carol = await carol.open_chat(bob)
    await alice.say(chat, "1")
    await bobs.has(1)
    await carol.say(with_carol, "2")
    await bobs.has(2)
    await bob.say(chat, "My own counts not")
    await alice.say(chat, "3")
    await bobs.has(3)
    await bob.acknowledge(chat, read=3)
    await bobs.has(4)

    assert [push["aps"]["badge"] for push in bobs.pushes] == [1, 2, 3, 1]
