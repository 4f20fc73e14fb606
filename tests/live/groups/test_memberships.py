"""Memberships that end and begin while streams are open: nobody hears a word of the time between,
however slowly they read, and whatever races.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from models.devices.viewer import Viewer
from models.log.events import InboxReady, Occurrence, ResyncRequired
from models.log.streams.cursors import Cursors
from models.log.streams.named import InboxStart
from models.postgresql.database import Database
from parley.resources import Process
from subscriptions.feed import Feed
from subscriptions.inbox.source import InboxSource
from subscriptions.sources import ChannelSource
from tests.groups import ADD, LEAVE, inner_id, make_group
from tests.make import Person
from tests.waiting import eventually


def process_of(person: Person) -> Process:
    return person.server.app._process


def viewer_of(person: Person) -> Viewer:
    return Viewer(person.user, person.inner_device_id, datetime.now(UTC) + timedelta(hours=1))


def brief(occurrence: Occurrence) -> Any:
    """Return a seq, "resync n", or "ready"."""
    value = occurrence.value
    if isinstance(value, InboxReady):
        return "ready"
    if isinstance(value, ResyncRequired):
        return f"resync {value.seq}"
    return value.seq


async def leave_and_come_back(alice: Person, bob: Person, group_id: str) -> None:
    """Three entries: Bob's leave, what Alice says meanwhile, and what brings him back."""
    await bob.mutate(LEAVE, groupId=group_id)
    await alice.say(group_id, "Without Bob")
    await alice.mutate(ADD, groupId=group_id, userIds=[bob.id])


# -------------------------------------------------------------------- while reading what was missed


async def test_one_who_comes_back_while_reading_slowly_hears_nothing_of_the_time_between(
    alice: Person, bob: Person
) -> None:
    group_id = await make_group(alice, bob)
    for n in range(3):
        await alice.say(group_id, f"{n}")
    live = process_of(bob).resources.live
    feed = await live.follow_inbox(viewer_of(bob), InboxStart({inner_id(group_id): 0}))
    assert isinstance(feed, Feed)
    replay = feed.replay()
    given = [brief(await anext(replay))]

    await leave_and_come_back(alice, bob, group_id)
    await eventually(lambda: 7 in feed.held.get(inner_id(group_id), ()))
    given += [brief(occurrence) async for occurrence in replay]
    feed.attach(lambda occurrence: given.append(brief(occurrence)))
    await alice.say(group_id, "With Bob")
    await eventually(lambda: given[-1] == 8)
    feed.end()

    assert given == [1, "resync 6", "ready", 7, 8]


async def test_one_channels_stream_completes_for_one_who_comes_back_while_reading_slowly(
    alice: Person, bob: Person
) -> None:
    group_id = await make_group(alice, bob)
    await alice.say(group_id, "One")
    live = process_of(bob).resources.live
    feed = await live.follow_messages(viewer_of(bob), inner_id(group_id), 0)
    assert isinstance(feed, Feed)
    stream = aiter(feed)
    assert brief(await anext(stream)) == 1

    await leave_and_come_back(alice, bob, group_id)
    await asyncio.wait_for(feed.ended, 60)

    assert [brief(occurrence) async for occurrence in stream] == []


class PausingDatabase(Database):
    """Gives the answer to its next look-up of standings only when it is let go."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.pool, database.url)
        self.read = asyncio.Event()
        self.let_go = asyncio.Event()

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]:
        rows = await super().fetch(query, *args)
        if "v.joined_seq, c.last_seq, v.left_seq" in query and not self.read.is_set():
            self.read.set()
            await self.let_go.wait()
        return rows


@contextlib.asynccontextmanager
async def attached(feed: Feed, process: Process) -> AsyncIterator[None]:
    process.hub.add(feed)
    await process.node.add_user(feed.user_id)
    yield
    feed.end()


@pytest.mark.parametrize("standing", ["in", "left", "left and named"])
async def test_one_who_comes_back_just_after_their_standing_was_read_hears_nothing_between(
    alice: Person, bob: Person, standing: str
) -> None:
    group_id = await make_group(alice, bob)
    channel_id, process = inner_id(group_id), process_of(bob)
    if standing != "in":
        await bob.mutate(LEAVE, groupId=group_id)
        await alice.say(group_id, "Without Bob")
    database = PausingDatabase(process.resources.database)
    after = {channel_id: 2} if standing == "left and named" else {}
    resources = process.resources
    source = InboxSource(
        database,
        process.hub,
        process.node,
        resources.limits,
        Cursors(resources.tokens),
        InboxStart(after),
    )
    feed = Feed(source, bob.user.id, bob.inner_device_id)
    given: list[Any] = []

    async def read() -> None:
        async for occurrence in feed.replay():
            given.append(brief(occurrence))
        feed.attach(lambda occurrence: given.append(brief(occurrence)))

    async with attached(feed, process):
        reading = asyncio.create_task(read())
        await database.read.wait()
        if standing == "in":
            await leave_and_come_back(alice, bob, group_id)
        else:
            await alice.mutate(ADD, groupId=group_id, userIds=[bob.id])
        await eventually(lambda: 4 in feed.held.get(channel_id, ()))
        database.let_go.set()
        await reading
        await alice.say(group_id, "With Bob")
        await eventually(lambda: given[-1] == 5)

    resync = ["resync 3"] if standing == "left and named" else []
    assert given == [*resync, "ready", 4, 5]


async def test_one_channels_stream_begins_with_the_newest_membership(
    alice: Person, bob: Person
) -> None:
    group_id = await make_group(alice, bob)
    channel_id, process = inner_id(group_id), process_of(bob)
    database = PausingDatabase(process.resources.database)
    source = ChannelSource(database, process.hub, process.node, process.resources.limits)
    feed = Feed(source, bob.user.id, bob.inner_device_id, kind="messages", only_channel=channel_id)

    async with attached(feed, process):
        beginning = asyncio.create_task(source.begin(feed, 0))
        await database.read.wait()
        await leave_and_come_back(alice, bob, group_id)
        await eventually(lambda: 4 in feed.held.get(channel_id, ()))
        database.let_go.set()
        await beginning
        stream = aiter(feed)

        assert brief(await anext(stream)) == 4
        await alice.say(group_id, "With Bob")
        assert brief(await anext(stream)) == 5
