"""Members who are taken out while all talk: nobody hears a word of the time between, and what was
answered is heard by all who were in it.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.channels.channels import find_channel
from models.devices.viewer import Viewer
from models.groups import membership
from models.log.drafts import Draft
from models.log.receipt_signals import ShownMove, list_receipt_signals
from models.messages.messages import MessageKind
from models.messages.reading import page_messages
from models.messages.search import search_messages
from models.postgresql.database import Database
from models.refusals import RefusalCode, Refused
from parley.resources import Process
from schema.context import Resources
from tests.client import Ended, Ending, Json, Stream, until
from tests.database.groups.group_history import History, read_history
from tests.groups import ADD, inner_id, make_group, promote
from tests.make import MakePerson, Person
from tests.serving import ServedWith, Server
from tests.waiting import eventually

INBOX = """subscription ($after: [PositionInput!]) { inbox(after: $after) { __typename
    ... on LogEvent { channelId seq } ... on ChannelUpdated { channel { id } }
    ... on ResyncRequired { channelId seq } } }"""
ADDED = """subscription ($id: ID!) { messageAdded(channelId: $id, afterSeq: 0) { seq } }"""
REMOVE = """mutation ($groupId: ID!, $userId: ID!) {
    removeMember(groupId: $groupId, userId: $userId) { __typename } }"""
EVERYTHING = """subscription { inbox { __typename ... on LogEvent { channelId seq }
    ... on ResyncRequired { channelId seq }
    ... on ReceiptUpdated { channelId } ... on TypingUpdated { channelId } } }"""
RECEIPTS = """subscription ($id: ID!) { receiptUpdated(channelId: $id) { channelId readSeq } }"""
TYPING = """subscription ($id: ID!) { typingUpdated(channelId: $id) { channelId typing } }"""
SIGNALS = ("ReceiptUpdated", "TypingUpdated")


def process_of(person: Person) -> Process:
    return person.server.app._process


def viewer_of(person: Person) -> Viewer:
    return Viewer(person.user, person.inner_device_id, datetime.now(UTC) + timedelta(hours=1))


async def record(stream: Stream, events: list[Any], channel_id: str) -> Ending:
    """Everything that the stream gives of the channel, and how it ended."""
    try:
        while True:
            event = await stream.event(60)
            if "__typename" not in event or event.get("channelId") == channel_id:
                events.append(event)
    except Ended as ended:
        return ended.ending


class Group:
    """Alice's, with Bob and Carol, whom she takes out and brings back over two nodes while all of
    them talk, type and read.
    """

    def __init__(self, alice: Person, bob: Person, carol: Person, nodes: Sequence[Server]) -> None:
        one, other = nodes
        self.admins = (alice.at(one), alice.at(other))
        self.bob, self.carol = bob.at(one), carol.at(other)
        self.talkers = (self.bob, self.admins[0], self.carol, carol.at(one))
        self.over = asyncio.Event()
        # Who said the entries that were answered.
        self.answered: dict[int, str] = {}
        # What Bob found when he looked: seqs of one membership each.
        self.found: list[list[int]] = []

    async def make(self) -> None:
        self.id = await make_group(self.admins[0], self.bob, self.carol)
        self.channel_id = inner_id(self.id)

    async def play(self, rounds: int) -> None:
        """Each round takes both out and brings them back."""
        for n in range(rounds):
            talking = [asyncio.create_task(self._say(who, n)) for who in self.talkers]
            moving = [asyncio.create_task(self._type_and_read(who, n)) for who in self.talkers]
            moving.append(asyncio.create_task(self._look(self.bob)))
            await asyncio.gather(
                *(
                    self._take_out_and_bring_back(self.admins[(n + m) % 2], self.admins[m], who)
                    for m, who in enumerate((self.bob, self.carol))
                )
            )
            said = zip(self.talkers, await asyncio.gather(*talking), strict=True)
            self.answered |= {seq: who.user.id for who, seq in said if seq is not None}
            await asyncio.gather(*moving)
        self.over.set()

    async def _say(self, who: Person, n: int) -> int | None:
        """Return the seq of what was said; None for one who is not in it."""
        now = datetime.now(UTC)
        draft = Draft(self.channel_id, who.user, f"{n}", MessageKind.TEXT, now, "Hello")
        try:
            return (await process_of(who).resources.committer.send(draft)).seq
        except Refused as refused:
            assert_not_found(refused)
            return None

    async def _type_and_read(self, who: Person, n: int) -> None:
        """Reading covers so much that every member is told."""
        resources, me = process_of(who).resources, who.user.id
        read = ShownMove(self.channel_id, me, 0, 10**6, 0, 10**6)
        told = await list_receipt_signals(resources.database, [read], at=datetime.now(UTC))
        resources.live.announce(told)
        with contextlib.suppress(Refused):
            await resources.live.set_typing(viewer_of(who), self.channel_id, n % 2 == 0)

    async def _take_out_and_bring_back(self, remover: Person, adder: Person, who: Person) -> None:
        at, then = process_of(remover).resources, process_of(adder).resources
        await membership.remove_member(
            at.database, remover.user.id, self.channel_id, who.user.id, publish=at.publish
        )
        await self._require_nothing_for(who, then)
        await membership.add_members(
            then.database,
            adder.user.id,
            self.channel_id,
            [who.user.id],
            limits=then.limits,
            publish=then.publish,
        )

    async def _require_nothing_for(self, who: Person, at: Resources) -> None:
        """Nothing of the group is to be had by one who is out (see also tests/storage)."""
        viewer = viewer_of(who)
        assert await find_channel(at.database, who.user.id, self.channel_id) is None
        for refused in (
            at.live.follow_signals(viewer, self.channel_id, "typing"),
            at.live.follow_signals(viewer, self.channel_id, "receipts"),
            at.live.set_typing(viewer, self.channel_id, True),
        ):
            with pytest.raises(Refused, match="no such channel"):
                await refused

    async def _page(self, at: Resources, who: Person) -> list[int]:
        messages, _ = await page_messages(
            at.database,
            who.user.id,
            self.channel_id,
            after_seq=0,
            before_seq=None,
            first=9,
            last=None,
        )
        return [message.seq for message in messages]

    async def _search(self, at: Resources, who: Person) -> list[int]:
        found, _ = await search_messages(
            at.database,
            who.user.id,
            "Hello",
            channel_id=None,
            first=9,
            after=None,
            limits=at.limits,
        )
        return [hit.seq for hit, _ in reversed(found)]

    async def _look(self, who: Person) -> None:
        at = process_of(who).resources
        self.found += [await self._page(at, who), await self._search(at, who)]

    async def follow_again_and_again(self, who: Person, document: str) -> list[list[Json]]:
        """What came, by stream. Each ends with the removal, and there is none before the return."""
        came: list[list[Json]] = []
        async with who.socket() as socket:
            over = asyncio.create_task(self.over.wait())
            while not self.over.is_set():
                events: list[Json] = []
                stream = await socket.subscribe(document, id=self.id)
                following = asyncio.create_task(record(stream, events, self.id))
                await asyncio.wait([following, over], return_when="FIRST_COMPLETED", timeout=60)
                if not self.over.is_set():
                    ended = following.result()
                    assert ended.complete or ended.codes == ["NOT_FOUND"]
                following.cancel()
                came.append(events)
        return came


def assert_not_found(refused: Refused) -> None:
    assert refused.code is RefusalCode.NOT_FOUND


def check_heard(history: History, user_id: str, heard: list[Json]) -> None:
    """Every entry that is for the user, once, in order; where the stream said to fetch again, from
    there on; and no signal between the entry that takes them out and the one that brings them back.
    """
    mine = [seq for seq in range(1, history.last_seq + 1) if user_id in history.hears(seq)]
    missed, inside = iter(mine), True
    for event in heard:
        if event["__typename"] in SIGNALS:
            assert inside, "a signal of a group that they were not in"
        elif event["__typename"] == "ResyncRequired":
            missed, inside = iter([each for each in mine if each > event["seq"]]), True
        else:
            assert event["seq"] in mine, f"{event['seq']} was not for them"
            assert event["seq"] == next(missed)
            inside = user_id in history.members[event["seq"]]
    assert list(missed) == []


async def test_500_removals_among_sends_and_nobody_hears_what_is_not_theirs(
    alice: Person, bob: Person, carol: Person, served_with: ServedWith, database: Database
) -> None:
    """Their open inboxes, and streams of the group opened anew again and again, give what came
    before each removal and nothing else.
    """
    heard: dict[str, list[Json]] = {}
    async with served_with(typing_interval_s=0) as one, served_with(typing_interval_s=0) as other:
        group = Group(alice, bob, carol, (one, other))
        await group.make()
        followers = (group.bob, group.carol)
        heard = {who.user.id: [{"__typename": "ChannelUpdated", "seq": 1}] for who in followers}
        async with (
            group.bob.follow(EVERYTHING) as his,
            group.carol.follow(EVERYTHING) as hers,
            asyncio.TaskGroup() as tasks,
        ):
            recording = []
            for who, stream in zip(followers, (his, hers), strict=True):
                await until(stream, "InboxReady")
                recording.append(tasks.create_task(record(stream, heard[who.user.id], group.id)))
            elsewhere = bob.at(other)
            added = tasks.create_task(group.follow_again_and_again(elsewhere, ADDED))
            typed = tasks.create_task(group.follow_again_and_again(elsewhere, TYPING))
            read = tasks.create_task(group.follow_again_and_again(group.bob, RECEIPTS))
            await group.play(250)
            last = (await group.admins[0].say(group.id, "Over"))["seq"]
            await eventually(lambda: all(up_to(events) == last for events in heard.values()), 15)
            for task in recording:
                task.cancel()

    history = await read_history(database, group.channel_id)
    assert sum(bool(entry.takes_out) for entry in history.entries) == 500
    senders = {entry.seq: entry.message.sender_id for entry in history.entries}
    # "Over" was said by nobody who is answered here.
    assert group.answered == {seq: who for seq, who in senders.items() if who and seq < last}
    assert group.answered
    for user_id, events in heard.items():
        check_heard(history, user_id, events)
        assert {event["__typename"] for event in events} >= set(SIGNALS)
    found = group.found + [[event["seq"] for event in events] for events in added.result()]
    assert all(bob.user.id in history.members[seq] for seqs in found for seq in seqs)
    assert max(map(len, found)) > 1
    assert any(typed.result())
    assert any(read.result())


def up_to(heard: list[Json]) -> int:
    seq: int = next(event["seq"] for event in reversed(heard) if "seq" in event)
    return seq


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
