"""Repair by a node's own users: what their channels have, against what their feeds have. Feeds get
each entry that they missed once and in order, and nothing of a time in which their user was out.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from models.log.committer import Committer
from models.log.events import Occurrence
from models.postgresql.database import Database
from subscriptions.feed import Feed, FeedKind
from subscriptions.hub import Hub
from subscriptions.nodes.repair import Repair
from tests.groups import ADD, LEAVE, inner_id, make_group
from tests.make import MakePerson, Person, write_history
from tests.unit.feeds.test_feed import Log
from tests.waiting import eventually

REPLAYED = 10
# More than the outbox reaches back.
LONG_S = 60.0


class Gaps(Log):
    """A source whose gaps the hub reads."""

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self.want_gap = hub.want_gap  # type: ignore[method-assign]
        self.detach = hub.remove  # type: ignore[method-assign]


class OutOfTouch:
    """A node that hears nothing, and the feeds of its users."""

    def __init__(self, database: Database) -> None:
        self.hub = Hub(database, replay_entries=REPLAYED)
        self.repair = Repair(database, self.hub, outbox_rows=0)

    def follow(
        self,
        person: Person,
        positions: Mapping[str, int] | None = None,
        *,
        live: bool = True,
        kind: FeedKind = "inbox",
        only: str | None = None,
    ) -> "Following":
        feed = Feed(
            Gaps(self.hub),
            person.user.id,
            person.inner_device_id,
            kind=kind,
            only_channel=only,
        )
        feed.positions.update(positions or {})
        if live:
            feed.go_live()
        self.hub.add(feed)
        return Following(feed)


class Following:
    """What a feed gave."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.given: list[Any] = []
        feed.attach(self._note)

    def _note(self, occurrence: Occurrence) -> None:
        value = occurrence.value
        self.given.append((type(value).__name__, value.channel_id, value.seq))

    def seqs(self, channel_id: str) -> list[int]:
        return [seq for _, where, seq in self.given if where == channel_id]


@pytest.fixture
def node(database: Database) -> OutOfTouch:
    return OutOfTouch(database)


async def test_each_feed_gets_what_it_missed_once_and_in_order(
    alice: Person, bob: Person, carol: Person, node: OutOfTouch, committer: Committer
) -> None:
    chat, group = await alice.open_chat(bob), await make_group(alice, bob, carol)
    await write_history(committer, alice, chat, 5)
    for text in ("one", "two"):
        await bob.say(group, text)
    chat_id, group_id = inner_id(chat), inner_id(group)
    phone = node.follow(bob, {chat_id: 2, group_id: 2})
    tablet = node.follow(bob, {chat_id: 5, group_id: 3})
    in_chat = node.follow(bob, {chat_id: 4}, kind="messages", only=chat_id)
    others = node.follow(carol, {group_id: 1})
    stranger = node.follow(alice, kind="presence")

    for _ in range(2):
        assert await node.repair.offer_missed(LONG_S)

    assert (phone.seqs(chat_id), phone.seqs(group_id)) == ([3, 4, 5], [3])
    assert (tablet.seqs(chat_id), tablet.seqs(group_id)) == ([], [])
    assert in_chat.seqs(chat_id) == [5]
    assert others.seqs(group_id) == [2, 3]
    assert stranger.given == []


async def test_who_was_brought_in_meanwhile_begins_with_that_entry(
    alice: Person, bob: Person, carol: Person, node: OutOfTouch
) -> None:
    group = await make_group(alice, bob)
    await alice.say(group, "Without Carol")
    follows = node.follow(carol)

    await alice.mutate(ADD, groupId=group, userIds=[carol.id])
    await alice.say(group, "With Carol")
    assert await node.repair.offer_missed(LONG_S)

    assert follows.seqs(inner_id(group)) == [3, 4]


async def test_who_was_taken_out_meanwhile_gets_that_entry_last(
    alice: Person, bob: Person, node: OutOfTouch
) -> None:
    group = await make_group(alice, bob)
    follows = node.follow(bob, {inner_id(group): 1})

    await alice.say(group, "With Bob")
    await bob.mutate(LEAVE, groupId=group)
    await alice.say(group, "Without Bob")
    for _ in range(2):
        assert await node.repair.offer_missed(LONG_S)

    assert follows.seqs(inner_id(group)) == [2, 3]


async def test_who_left_and_came_back_meanwhile_hears_nothing_of_the_time_between(
    alice: Person, bob: Person, node: OutOfTouch
) -> None:
    group = await make_group(alice, bob)
    follows = node.follow(bob, {inner_id(group): 1})

    await bob.mutate(LEAVE, groupId=group)
    await alice.say(group, "Without Bob")
    await alice.mutate(ADD, groupId=group, userIds=[bob.id])
    assert await node.repair.offer_missed(LONG_S)

    told = [(name, seq) for name, _, seq in follows.given]
    assert told[0] == ("ResyncRequired", 3)
    assert follows.seqs(inner_id(group))[1:] == [4]


async def test_one_who_lacks_more_than_is_replayed_is_told_so_and_goes_on(
    alice: Person, bob: Person, chat: str, node: OutOfTouch, committer: Committer
) -> None:
    await write_history(committer, alice, chat, REPLAYED + 1)
    follows = node.follow(bob, {inner_id(chat): 0})

    assert await node.repair.offer_missed(LONG_S)
    await alice.say(chat, "The next")
    assert await node.repair.offer_missed(LONG_S)

    told = [(name, seq) for name, _, seq in follows.given]
    assert told == [("ResyncRequired", REPLAYED + 1), ("MessageAdded", REPLAYED + 2)]


async def test_a_feed_that_still_replays_knows_how_far_it_has_to_read(
    alice: Person, bob: Person, chat: str, node: OutOfTouch, committer: Committer
) -> None:
    """What was committed after its replay had read where the log ends."""
    chat_id = inner_id(chat)
    await write_history(committer, alice, chat, 5)
    follows = node.follow(bob, {chat_id: 1}, live=False)

    assert await node.repair.offer_missed(LONG_S)

    assert follows.given == []
    assert follows.feed.lacks(chat_id) == (1, 4)
    follows.feed.go_live()
    await eventually(lambda: follows.seqs(chat_id) == [2, 3, 4, 5])


async def test_many_users_are_looked_at_a_few_at_a_time(
    alice: Person, person: MakePerson, node: OutOfTouch, committer: Committer
) -> None:
    """More than are looked at together, with more entries than are read together."""
    friends = [await person(f"Friend {number}") for number in range(3)]
    chats = [await alice.open_chat(friend) for friend in friends]
    for chat in chats:
        await write_history(committer, alice, chat, 4)
    small = Repair(
        alice.server.app._process.resources.database,
        node.hub,
        outbox_rows=0,
        users_at_once=2,
        entries_at_once=3,
    )
    following = [
        node.follow(friend, {inner_id(chat): 0})
        for friend, chat in zip(friends, chats, strict=True)
    ]

    assert await small.offer_missed(LONG_S)

    for chat, follows in zip(chats, following, strict=True):
        assert follows.seqs(inner_id(chat)) == [1, 2, 3, 4]
