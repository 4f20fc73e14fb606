"""A phone and another device: only one at which its user does something silences the phone."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from models import ids
from models.limits.limits import Limits
from models.postgresql.database import Database
from parley.settings import Settings
from subscriptions.activity import ActiveDevices, Activity
from tests.changes import EDIT, REACT
from tests.make import AnotherDevice, Person
from tests.push.conftest import Working
from tests.push.phones import MakePhone, is_checked
from tests.push.providers.pushing import Clock
from tests.waiting import eventually
from workers.push.registration import PushTies

INBOX = "subscription { inbox { __typename ... on MessageAdded { message { seq } } } }"
TYPING = """mutation ($id: ID!) { setTyping(channelId: $id, typing: true) { __typename } }"""
ENDPOINT = """mutation { setPushEndpoint(input: null) { __typename } }"""
VIEWER = "{ viewer { id } }"
WAITS_S = "SELECT extract(epoch FROM due_at - now())::float8 FROM jobs"


@pytest_asyncio.fixture
async def valkey(settings: Settings) -> AsyncIterator[Redis]:
    assert settings.redis_url is not None
    client = Redis.from_url(settings.redis_url)
    yield client
    await client.aclose()


@pytest_asyncio.fixture
async def desktop(bob: Person, another_device: AnotherDevice) -> Person:
    """Bob's other device, without a push endpoint."""
    return await another_device(bob)


@pytest.mark.usefixtures("worker")
async def test_a_desktop_that_is_open_and_idle_does_not_silence_the_phone(
    alice: Person, bob: Person, desktop: Person, chat: str, phone: MakePhone
) -> None:
    bobs = await phone(bob)
    async with desktop.follow(INBOX) as inbox:
        await inbox.event()
        await alice.say(chat, "1")
        await inbox.event()
        await desktop.acknowledge(chat, delivered=1)

        assert await bobs.has(1) == [("Alice", "1")]


@pytest.mark.usefixtures("worker")
async def test_what_a_desktop_took_and_nobody_read_is_pushed_after_it_was_closed(
    alice: Person, bob: Person, desktop: Person, chat: str, phone: MakePhone
) -> None:
    bobs = await phone(bob)
    async with desktop.follow(INBOX) as inbox:
        await inbox.event()
        await alice.say(chat, "1")
        await inbox.event()
        await desktop.acknowledge(chat, delivered=1)

    assert await bobs.has(1) == [("Alice", "1")]


# -------------------------------------------------------------------- a desktop that is active


@pytest_asyncio.fixture
async def aware(valkey: Redis, working: Working) -> AsyncIterator[None]:
    """A worker that knows who is active."""
    async with working(ties=PushTies(list_active=ActiveDevices(valkey).list_active)):
        yield


async def is_active(valkey: Redis, person: Person, device_id: str) -> bool:
    found = await ActiveDevices(valkey).list_active([person.user.id])
    return person.user.id in found and found[person.user.id].device_id == device_id


async def waits_s(database: Database) -> list[float]:
    """In how many seconds each job is due that waits."""
    return [row[0] for row in await database.fetch(WAITS_S)]


async def end_activity(valkey: Redis, person: Person, database: Database) -> None:
    """A minute has passed in which nobody did anything."""
    await valkey.delete(f"parley:active:{{{person.user.id}}}")
    await database.execute("UPDATE jobs SET due_at = now()")


Do = Callable[[Person, str, Any], Awaitable[Any]]
# What a person does.
DOES: dict[str, Do] = {
    "sends": lambda who, chat, own: who.say(chat, "Mine", clientMessageId="1st"),
    "reacts": lambda who, chat, own: who.mutate(REACT, id=own["id"], emoji="👍"),
    "reads": lambda who, chat, own: who.acknowledge(chat, read=1),
    "types": lambda who, chat, own: who.mutate(TYPING, id=chat),
}
# What an app does by itself.
DOES_BY_ITSELF: dict[str, Do] = {
    "delivered": lambda who, chat, own: who.acknowledge(chat, delivered=1),
    "endpoint": lambda who, chat, own: who.mutate(ENDPOINT),
    "query": lambda who, chat, own: who.query(VIEWER),
}


@pytest.mark.usefixtures("aware")
@pytest.mark.parametrize("what", DOES)
async def test_a_phone_is_silent_while_its_user_does_something_at_a_desktop(
    what: str,
    alice: Person,
    bob: Person,
    desktop: Person,
    chat: str,
    phone: MakePhone,
    valkey: Redis,
    database: Database,
) -> None:
    own = await bob.say(chat, "Bob's own")
    bobs = await phone(bob)
    await DOES[what](desktop, chat, own)
    await eventually(lambda: is_active(valkey, bob, desktop.inner_device_id))

    await alice.say(chat, "Are you there?")
    await eventually(lambda: is_checked(database))

    assert bobs.pushes == []
    [wait_s] = await waits_s(database)
    assert 50 < wait_s <= 61
    await end_activity(valkey, bob, database)
    assert await bobs.has(1) == [("Alice", "Are you there?")]


@pytest.mark.usefixtures("aware")
@pytest.mark.parametrize("what", DOES_BY_ITSELF)
async def test_what_an_app_does_by_itself_silences_nothing(
    what: str,
    alice: Person,
    bob: Person,
    carol: Person,
    desktop: Person,
    chat: str,
    phone: MakePhone,
    valkey: Redis,
) -> None:
    bobs = await phone(bob)
    await DOES_BY_ITSELF[what](desktop, chat, None)
    # What one does later is written not before.
    await carol.open_chat(alice)
    await eventually(lambda: is_active(valkey, carol, carol.inner_device_id))

    await alice.say(chat, "Are you there?")

    assert await bobs.has(1) == [("Alice", "Are you there?")]


@pytest.mark.usefixtures("aware")
async def test_what_was_read_at_the_desktop_meanwhile_is_not_pushed(
    alice: Person,
    bob: Person,
    desktop: Person,
    chat: str,
    phone: MakePhone,
    valkey: Redis,
    database: Database,
) -> None:
    bobs = await phone(bob)
    await desktop.say(chat, "Hello")
    await eventually(lambda: is_active(valkey, bob, desktop.inner_device_id))
    await alice.say(chat, "Are you there?")
    await eventually(lambda: waits_s(database))

    await desktop.acknowledge(chat, read=2)
    await end_activity(valkey, bob, database)
    await eventually(lambda: is_checked(database))

    assert bobs.pushes == []


@pytest.mark.usefixtures("aware")
async def test_who_does_something_at_the_phone_is_pushed_to_there(
    alice: Person, bob: Person, desktop: Person, chat: str, phone: MakePhone, valkey: Redis
) -> None:
    """Also when they were at the desktop before."""
    bobs = await phone(bob)
    await desktop.say(chat, "At the desktop", clientMessageId="1st")
    await eventually(lambda: is_active(valkey, bob, desktop.inner_device_id))
    await bob.say(chat, "At the phone")
    await eventually(lambda: is_active(valkey, bob, bob.inner_device_id))

    await alice.say(chat, "Are you there?")

    assert await bobs.has(1) == [("Alice", "Are you there?")]


@pytest.mark.usefixtures("aware")
async def test_what_is_shown_is_corrected_and_taken_back_whoever_is_active_where(
    alice: Person, bob: Person, desktop: Person, chat: str, phone: MakePhone, valkey: Redis
) -> None:
    bobs = await phone(bob)
    said = await alice.say(chat, "Are you tehre?")
    await bobs.has(1)
    await desktop.mutate(TYPING, id=chat)
    await eventually(lambda: is_active(valkey, bob, desktop.inner_device_id))

    await alice.mutate(EDIT, id=said["id"], text="Are you there?")
    assert (await bobs.has(2))[1] == ("Alice", "Are you there?")
    await desktop.acknowledge(chat, read=1)

    await bobs.has(3)
    assert bobs.screen == {}


async def test_while_valkey_is_away_everybody_is_pushed_to(
    alice: Person, bob: Person, desktop: Person, chat: str, phone: MakePhone, working: Working
) -> None:
    bobs = await phone(bob)
    await desktop.say(chat, "Hello")
    nowhere = ActiveDevices(Redis.from_url("redis://127.0.0.1:9", socket_connect_timeout=0.2))
    async with working(ties=PushTies(list_active=nowhere.list_active)):
        await alice.say(chat, "Are you there?")

        assert await bobs.has(1) == [("Alice", "Are you there?")]


# -------------------------------------------------------------------- what it costs


class Commands(Redis):
    """Counts what is set, and how often anything is asked for."""

    asked = 0
    sets = 0

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Any:
        self.asked += 1
        pipeline = super().pipeline(transaction, shard_hint)
        set_ = pipeline.set

        def count(*args: Any, **options: Any) -> Any:
            self.sets += 1
            return set_(*args, **options)

        pipeline.set = count  # type: ignore[method-assign]
        return pipeline


async def test_however_much_somebody_does_it_is_written_once_in_ten_seconds(
    settings: Settings,
) -> None:
    clock, user_id = Clock(), ids.new_id()
    client: Any = Commands.from_url(settings.redis_url or "")
    async with client as valkey:
        activity = Activity(valkey, Limits(), clock=clock)
        for _ in range(30):
            for _ in range(100):
                activity.note(user_id, "the desktop")
            await activity.write()
            clock.now += 1
        left_s = (await ActiveDevices(valkey).list_active([user_id]))[user_id].left_s
        clock.now += 61
        await activity.write()

    assert valkey.sets == 3
    assert 50 <= left_s <= 60
    assert activity._noted == activity._written == {}


async def test_pushes_do_not_wait_each_for_a_valkey_that_is_away() -> None:
    client: Any = Commands.from_url("redis://127.0.0.1:9", socket_connect_timeout=0.2)
    async with client as valkey:
        active = ActiveDevices(valkey)
        assert [await active.list_active([ids.new_id()]) for _ in range(5)] == [{}] * 5

    assert valkey.asked == 1
