"""The feed when its user leaves and comes back, and the entries that say so are lost or cross."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from models.log.entries import Entry
from models.log.events import Occurrence, ResyncRequired
from models.messages.messages import Message, MessageKind
from subscriptions.feed import Feed, FeedKind
from subscriptions.live_entry import LiveEntry

AT = datetime(2026, 1, 1, tzinfo=UTC)
USER = "reader"
CHANNEL = "a"


class Nothing:
    """A source with no past."""

    async def replay(self, feed: Feed) -> AsyncIterator[Occurrence]:
        missed: tuple[Occurrence, ...] = ()
        for occurrence in missed:
            yield occurrence

    def want_gap(self, feed: Feed, channel_id: str) -> None:
        """Nobody fills it."""

    def detach(self, feed: Feed) -> None:
        """Nobody holds it."""


def live_entry(seq: int, *, takes_out: tuple[str, ...] = ()) -> LiveEntry:
    message = Message(CHANNEL, seq, MessageKind.TEXT, "writer", f"{seq}", f"{seq}", None, AT)
    entry = Entry(CHANNEL, seq, AT, message, takes_out=list(takes_out))
    return LiveEntry(entry, fresh=False)


def following(position: int, kind: FeedKind = "inbox") -> tuple[Feed, list[Any]]:
    """Return a live feed of one who is in from the beginning, and what it gives: seqs, or "resync
    n".
    """
    feed = Feed(
        Nothing(), USER, "device", kind=kind, only_channel=None if kind == "inbox" else CHANNEL
    )
    given: list[Any] = []

    def note(occurrence: Occurrence) -> None:
        value = occurrence.value
        resync = isinstance(value, ResyncRequired)
        given.append(f"resync {value.seq}" if resync else value.seq)

    feed.positions[CHANNEL] = position
    feed.go_live()
    feed.attach(note)
    return feed, given


async def test_a_rejoin_goes_on_with_the_entry_that_brings_them_in() -> None:
    feed, given = following(5)

    feed.offer(live_entry(6, takes_out=(USER,)), 1)
    feed.offer(live_entry(8), 8)
    feed.offer(live_entry(9), 8)

    assert given == [6, 8, 9]


async def test_a_rejoin_before_the_leave_is_heard_means_fetch_again() -> None:
    """Two processes crossed, or the leave was lost: what the client holds is of a membership that
    has ended.
    """
    feed, given = following(5)

    feed.offer(live_entry(8), 8)
    feed.offer(live_entry(6, takes_out=(USER,)), 1)
    feed.offer(live_entry(9), 8)

    assert given == ["resync 7", 8, 9]
    assert CHANNEL not in feed.left


@pytest.mark.parametrize("kind", ["messages", "receipts", "typing"])
async def test_the_stream_of_one_channel_completes_then(kind: FeedKind) -> None:
    feed, given = following(5, kind)

    feed.offer(live_entry(8), 8)
    feed.offer(live_entry(9), 8)

    assert feed.ended.done()
    assert (feed.reason, given) == (None, [])


async def test_what_was_held_of_the_earlier_membership_is_dropped() -> None:
    feed, given = following(3)

    feed.offer(live_entry(5), 1)
    feed.offer(live_entry(9), 8)

    assert feed.lacks(CHANNEL) == (7, 8)
    feed.offer(live_entry(8), 8)
    assert given == ["resync 7", 8, 9]


async def test_what_is_offered_again_of_the_earlier_membership_is_passed_over() -> None:
    """As a relay does, for half a minute."""
    feed, given = following(5)
    feed.offer(live_entry(6, takes_out=(USER,)), 1)
    feed.offer(live_entry(8), 8)

    for seq in (4, 5, 6, 7):
        feed.offer(live_entry(seq, takes_out=(USER,) if seq == 6 else ()), 1)
    feed.offer(live_entry(9), 8)

    assert given == [6, 8, 9]


async def test_each_of_several_memberships_is_heard() -> None:
    feed, given = following(1)

    for joined_seq in (4, 7, 10):
        feed.offer(live_entry(joined_seq - 2, takes_out=(USER,)), max(1, joined_seq - 3))
        feed.offer(live_entry(joined_seq), joined_seq)

    assert given == [2, 4, 5, 7, 8, 10]


async def test_what_was_read_before_a_rejoin_was_known_is_not_given() -> None:
    """A replay that has read ahead, of an earlier membership."""
    feed, _ = following(2)
    feed.live = False

    assert feed.take(live_entry(3)) is not None
    feed.offer(live_entry(8), 8)

    assert feed.take(live_entry(4)) is None
    assert feed.take(live_entry(6, takes_out=(USER,))) is None
    assert feed.positions == {CHANNEL: 7}
    assert feed.take_lost() == {CHANNEL: 7}
    assert feed.take_lost() == {}
