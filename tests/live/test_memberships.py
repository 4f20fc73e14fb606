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

from models import membership
from models.channels import find_channel
from models.database import Database
from models.events import InboxReady, Occurrence, ResyncRequired
from models.messages import MessageKind, find_message, page_messages
from models.refusals import RefusalCode, Refused
from models.sends import Draft
from models.viewer import Viewer
from parley.resources import Process
from subscriptions.feed import Feed
from subscriptions.live import ChannelSource, InboxSource
from tests.client import Ended, Stream, until
from tests.groups import ADD, LEAVE, inner_id, make_group, promote
from tests.make import MakePerson, Person
from tests.serving import Server
from tests.storage.group_history import History, read_history
from tests.waiting import eventually

INBOX = """subscription ($after: [PositionInput!]) { inbox(after: $after) { __typename
    ... on LogEvent { channelId seq } ... on ChannelUpdated { channel { id } }
    ... on ResyncRequired { channelId seq } } }"""
ADDED = """subscription ($id: ID!) { messageAdded(channelId: $id, afterSeq: 0) { seq } }"""
REMOVE = """mutation ($groupId: ID!, $userId: ID!) {
    removeMember(groupId: $groupId, userId: $userId) { __typename } }"""


def process_of(person: Person) -> Process:
    return person.server.app._process


def viewer_of(person: Person) -> Viewer:
    return Viewer(person.user, person.inner_device_id, datetime.now(UTC) + timedelta(hours=1))


def brief(occurrence: Occurrence) -> Any:
    """A seq, "resync n", or "ready"."""
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
    feed = await live.follow_inbox(viewer_of(bob), {inner_id(group_id): 0})
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
    await asyncio.wait_for(feed.ended, 5)

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
    source = InboxSource(database, process.hub, process.node, process.resources.limits, after)
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


# -------------------------------------------------------------------- 500 removals


async def record(stream: Stream, seqs: list[Any], group_id: str) -> None:
    """Everything that the stream gives of the group."""
    with contextlib.suppress(Ended):
        while True:
            event = await stream.event(60)
            if event.get("channelId", group_id) == group_id and event.get("seq"):
                seqs.append((event.get("__typename"), event["seq"]))


async def say(person: Person, channel_id: str, n: int) -> int | None:
    """The seq of what was said; None for one who is not in it."""
    draft = Draft(channel_id, person.user, f"{n}", MessageKind.TEXT, datetime.now(UTC), "Hello")
    try:
        return (await process_of(person).resources.committer.send(draft)).seq
    except Refused as refused:
        if refused.code is RefusalCode.NOT_FOUND:
            return None
        raise


async def take_out_and_bring_back(
    remover: Person, adder: Person, who: Person, channel_id: str
) -> None:
    """Between the two, nothing of the group is to be had."""
    at, then = process_of(remover).resources, process_of(adder).resources
    await membership.remove_member(
        at.database, remover.user.id, channel_id, who.user.id, publish=at.publish
    )
    assert await find_channel(then.database, who.user.id, channel_id) is None
    page = await page_messages(
        then.database, who.user.id, channel_id, after_seq=0, before_seq=None, first=9, last=None
    )
    assert page == ([], False)
    assert await find_message(then.database, who.user.id, channel_id, 1) is None
    await membership.add_members(
        then.database,
        adder.user.id,
        channel_id,
        [who.user.id],
        limits=then.limits,
        publish=then.publish,
    )


def check_heard(history: History, user_id: str, heard: list[tuple[str, int]]) -> None:
    """Every entry that is for the user, once, in order; where the stream said to fetch again, from
    there on.
    """
    mine = [seq for seq in range(1, history.last_seq + 1) if user_id in history.hears(seq)]
    missed = iter(mine)
    for typename, seq in heard:
        if typename == "ResyncRequired":
            missed = iter([each for each in mine if each > seq])
        else:
            assert seq in mine, f"{seq} was not for them"
            assert seq == next(missed)
    assert list(missed) == []


async def test_500_removals_among_sends_and_nobody_hears_what_is_not_theirs(
    alice: Person, bob: Person, carol: Person, other_server: Server, database: Database
) -> None:
    """Bob and Carol are taken out and brought back over both nodes, while they and others talk.
    Their open inboxes, and `messageAdded` opened anew again and again, give what came before each
    removal and nothing else.
    """
    group_id = await make_group(alice, bob, carol)
    channel_id = inner_id(group_id)
    over = asyncio.Event()
    admins = (alice, alice.at(other_server))
    talkers = (bob, alice, carol.at(other_server), carol)
    answered: dict[int, str] = {}
    heard: dict[str, list[Any]] = {who.id: [("ChannelUpdated", 1)] for who in (bob, carol)}
    memberships: list[list[Any]] = []

    async def follow_again_and_again(person: Person) -> None:
        while not over.is_set():
            seqs: list[Any] = []
            async with person.follow(ADDED, id=group_id) as stream:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(record(stream, seqs, group_id), 1)
            memberships.append([seq for _, seq in seqs])

    async with bob.follow(INBOX) as his, carol.at(other_server).follow(INBOX) as hers:
        await until(his, "InboxReady")
        await until(hers, "InboxReady")
        recording = [
            asyncio.create_task(record(his, heard[bob.id], group_id)),
            asyncio.create_task(record(hers, heard[carol.id], group_id)),
        ]
        following = asyncio.create_task(follow_again_and_again(bob.at(other_server)))
        for n in range(250):
            talking = [asyncio.create_task(say(who, channel_id, n)) for who in talkers]
            await asyncio.gather(
                *(
                    take_out_and_bring_back(admins[(n + m) % 2], admins[m], who, channel_id)
                    for m, who in enumerate((bob, carol))
                )
            )
            said = zip(talkers, await asyncio.gather(*talking), strict=True)
            answered |= {seq: who.user.id for who, seq in said if seq is not None}
        over.set()
        last = await alice.say(group_id, "Over")
        await eventually(lambda: all(seqs[-1][1] == last["seq"] for seqs in heard.values()), 15)
        await following
        for task in recording:
            task.cancel()
        await asyncio.gather(*recording, return_exceptions=True)

    history = await read_history(database, channel_id)
    assert sum(bool(entry.takes_out) for entry in history.entries) == 500
    senders = {entry.seq: entry.message.sender_id for entry in history.entries}
    # "Over" was said by nobody who is answered here.
    assert answered == {seq: who for seq, who in senders.items() if who and seq < last["seq"]}
    assert answered
    for person in (bob, carol):
        check_heard(history, person.user.id, heard[person.id])
    for seqs in memberships:
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs))) if seqs else True
        assert all(bob.user.id in history.members[seq] for seq in seqs)
    assert max(len(seqs) for seqs in memberships) > 1


async def test_a_send_that_was_answered_is_seen_by_all_who_were_in_it(
    alice: Person, bob: Person, person: MakePerson
) -> None:
    """Also when its sender is removed at once."""
    dora = await person("Dora")
    group_id = await make_group(alice, bob, dora)
    await promote(alice, group_id, bob)
    async with dora.follow(INBOX) as stream:
        await until(stream, "InboxReady")
        for _ in range(20):
            sent, _ = await asyncio.gather(
                alice.send(alice.draft(group_id, "Hello")),
                bob.mutate(REMOVE, groupId=group_id, userId=dora.id),
            )
            events = [await stream.event()]
            while events[-1]["__typename"] != "ChannelUpdated":
                events.append(await stream.event())
            removal = events[-1]
            assert removal["channel"] is None
            heard = [event["seq"] for event in events[:-1]]
            assert heard == [seq for seq in [sent["message"]["seq"]] if seq < removal["seq"]]
            await bob.mutate(ADD, groupId=group_id, userIds=[dora.id])
            await until_added(stream, removal["seq"])


async def until_added(stream: Stream, after_seq: int) -> None:
    event = await stream.event()
    assert event["__typename"] == "ChannelUpdated"
    assert event["seq"] > after_seq


async def test_a_member_who_is_taken_out_is_refused_at_once(alice: Person, bob: Person) -> None:
    group_id = await make_group(alice, bob)
    resources = process_of(bob).resources
    await alice.mutate(REMOVE, groupId=group_id, userId=bob.id)

    with pytest.raises(Refused) as refused:
        await resources.live.follow_messages(viewer_of(bob), inner_id(group_id), 0)

    assert refused.value.code is RefusalCode.NOT_FOUND
