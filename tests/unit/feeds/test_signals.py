"""What has no place in a log: which feeds follow it, and that it ends with the membership."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from models.log.entries import Entry
from models.log.events import Occurrence
from models.log.signals import ReceiptMoved, Typed
from models.messages.messages import Message, MessageKind
from subscriptions.feed import Feed, FeedKind
from subscriptions.live_entry import LiveEntry

AT = datetime(2026, 1, 1, tzinfo=UTC)
TYPED = Typed("here", "ada", True, AT, AT)
MOVED = ReceiptMoved("here", "ada", 2, 1, AT)


class Nothing:
    """A source without a past."""

    def __init__(self, *, lacks: bool = False) -> None:
        self._lacks = lacks

    async def replay(self, feed: Feed) -> AsyncIterator[Occurrence]:
        feed.go_live()
        missed: tuple[Occurrence, ...] = ()
        for occurrence in missed:
            yield occurrence

    def want_gap(self, feed: Feed, channel_id: str) -> None:
        assert self._lacks

    def detach(self, feed: Feed) -> None:
        return


def feed_of(
    kind: FeedKind, channel_id: str | None, *, lacks: bool = False
) -> tuple[Feed, list[Occurrence]]:
    """Return a live one at entry 3, and what it gives."""
    feed = Feed(Nothing(lacks=lacks), "reader", "device", kind=kind, only_channel=channel_id)
    given: list[Occurrence] = []
    feed.positions["here"] = 3
    feed.go_live()
    feed.attach(given.append)
    return feed, given


def put(feed: Feed, signal: Typed | ReceiptMoved) -> None:
    feed.put_signal(signal, Occurrence(signal))


@pytest.mark.parametrize(
    ("kind", "channel_id", "followed"),
    [
        ("inbox", None, [TYPED, MOVED]),
        ("typing", "here", [TYPED]),
        ("receipts", "here", [MOVED]),
        ("typing", "elsewhere", []),
        ("receipts", "elsewhere", []),
        ("messages", "here", []),
        ("presence", None, []),
    ],
)
async def test_a_feed_gives_what_it_follows(
    kind: FeedKind, channel_id: str | None, followed: list[Typed | ReceiptMoved]
) -> None:
    feed, given = feed_of(kind, channel_id)

    put(feed, TYPED)
    put(feed, MOVED)

    assert [occurrence.value for occurrence in given] == followed


def notice(seq: int, *, takes_out: list[str]) -> LiveEntry:
    message = Message("here", seq, MessageKind.SYSTEM, None, None, None, None, AT)
    message.system = message.sender = message.reply_to = None
    return LiveEntry(Entry("here", seq, AT, message, takes_out=takes_out), fresh=False)


async def test_nothing_is_given_of_a_channel_that_the_user_has_left() -> None:
    """Also if it was sent before, and comes after."""
    feed, given = feed_of("inbox", None)
    feed.offer(notice(4, takes_out=["reader"]), 1)
    given.clear()

    put(feed, TYPED)
    put(feed, MOVED)

    assert given == []


async def test_nothing_is_given_until_the_entry_that_brings_the_user_back() -> None:
    """Though one that comes after it was there before it."""
    feed, given = feed_of("inbox", None, lacks=True)
    feed.offer(notice(4, takes_out=["reader"]), 1)
    feed.offer(notice(8, takes_out=[]), 7)
    put(feed, TYPED)
    assert [occurrence.value.seq for occurrence in given] == [4]

    feed.offer(notice(7, takes_out=[]), 7)
    put(feed, TYPED)

    assert [occurrence.value.seq for occurrence in given[:3]] == [4, 7, 8]
    assert [occurrence.value for occurrence in given[3:]] == [TYPED]


async def test_nothing_is_given_before_what_was_missed() -> None:
    feed = Feed(Nothing(), "reader", "device")
    given: list[Occurrence] = []

    put(feed, TYPED)
    feed.attach(given.append)

    assert given == []


async def test_presence_has_no_part_in_the_log() -> None:
    feed, given = feed_of("presence", None)
    message = Message("here", 9, MessageKind.TEXT, "ada", "9", "9", None, AT)

    feed.offer(LiveEntry(Entry("here", 9, AT, message), fresh=False), 1)

    assert given == []
