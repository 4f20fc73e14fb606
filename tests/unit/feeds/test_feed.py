"""The feed, without I/O: whatever offers are lost, repeated or reordered, before, while and after
it replays, it gives each entry once, in order, without a gap.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.close_codes import CloseCode
from models.limits.limits import Limits
from models.log.entries import Entry
from models.log.events import InboxReady, Occurrence, StreamCut
from models.log.streams.cursors import Cursors, StreamPlace
from models.messages.messages import Message, MessageKind
from models.tokens import Tokens
from subscriptions.feed import Feed
from subscriptions.live_entry import LiveEntry

AT = datetime(2026, 1, 1, tzinfo=UTC)
CHANNELS = ("a", "b")
USER = "reader"
PLACE = StreamPlace(Cursors(Tokens("x" * 32, Limits())), USER, "device", {}, (), at=AT)


class SmallFeed(Feed):
    """Forgets what is held back sooner, so that short logs show it."""

    HELD_ENTRIES = 3


def live_entry(channel_id: str, seq: int, *, takes_out: tuple[str, ...] = ()) -> LiveEntry:
    message = Message(channel_id, seq, MessageKind.TEXT, "writer", f"{seq}", f"{seq}", None, AT)
    entry = Entry(channel_id, seq, AT, message, takes_out=list(takes_out))
    return LiveEntry(entry, fresh=False)


class Log:
    """The logs of two channels in memory; as a feed's source it reads them, and notes what is
    wanted.
    """

    def __init__(self, **positions: int) -> None:
        self.last_seqs = dict.fromkeys(CHANNELS, 3)
        self.positions = positions
        self.wanted: set[str] = set()
        self.detached = 0

    async def replay(self, feed: Feed) -> AsyncIterator[Occurrence]:
        """As the real sources: to the ends that the logs had at first, then what is lacking."""
        feed.positions.update(self.positions)
        for channel_id, end in tuple(self.last_seqs.items()):
            for seq in range(feed.positions[channel_id] + 1, end + 1):
                yield self._taken(feed, channel_id, seq)
        while lacking := {c: gap for c in feed.held if (gap := feed.lacks(c))}:
            for channel_id, (after, up_to) in lacking.items():
                for seq in range(after + 1, up_to + 1):
                    yield self._taken(feed, channel_id, seq)
        feed.go_live()
        yield Occurrence(InboxReady(AT, 0, PLACE))

    def _taken(self, feed: Feed, channel_id: str, seq: int) -> Occurrence:
        occurrence = feed.take(live_entry(channel_id, seq))
        assert occurrence is not None
        return occurrence

    def want_gap(self, feed: Feed, channel_id: str) -> None:
        self.wanted.add(channel_id)

    def detach(self, feed: Feed) -> None:
        self.detached += 1

    def fill(self, feed: Feed, channel_id: str) -> None:
        """What the hub does for a gap, once."""
        if channel_id not in self.wanted:
            return
        if gap := feed.lacks(channel_id):
            for seq in range(gap[0] + 1, gap[1] + 1):
                feed.offer(live_entry(channel_id, seq), 1)
        if not feed.lacks(channel_id):
            self.wanted.discard(channel_id)


class Reading:
    """A feed, driven step by step, and what it gave by channel."""

    def __init__(self, log: Log, *, queued_events: int = 1000) -> None:
        self.log = log
        self.feed = SmallFeed(log, USER, "device", queued_events=queued_events)
        self.given: dict[str, list[int]] = {channel_id: [] for channel_id in CHANNELS}
        # The newest entry that it was told of, by channel.
        self.offered = dict.fromkeys(CHANNELS, 0)
        self.readies = 0
        self._replay: AsyncIterator[Occurrence] | None = self.feed.replay()

    async def step(self) -> None:
        """The subscriber takes one more occurrence of the replay; at its end it hands over."""
        if self._replay is None:
            return
        occurrence = await anext(self._replay, None)
        if occurrence is None:
            self._replay = None
            self.feed.attach(self._note)
        else:
            self._note(occurrence)

    def _note(self, occurrence: Occurrence) -> None:
        if isinstance(occurrence.value, InboxReady):
            self.readies += 1
        else:
            self.given[occurrence.value.channel_id].append(occurrence.value.seq)

    def offer(self, channel_id: str, seq: int) -> None:
        self.offered[channel_id] = max(seq, self.offered[channel_id])
        self.feed.offer(live_entry(channel_id, seq), 1)

    async def settle(self) -> None:
        """The replay comes to its end, and gaps are filled."""
        while self._replay is not None:
            await self.step()
        while self.log.wanted:
            for channel_id in CHANNELS:
                self.log.fill(self.feed, channel_id)

    async def repair(self) -> None:
        """The newest entries are offered once more."""
        for channel_id, seq in self.log.last_seqs.items():
            self.offer(channel_id, seq)
        await self.settle()


# What happens, where, and (for an offer) how far before the newest entry.
actions = st.lists(
    st.tuples(
        st.sampled_from(["commit", "offer", "offer", "offer", "step", "fill"]),
        st.sampled_from(CHANNELS),
        st.integers(0, 8),
    ),
    max_size=80,
)


async def play(reading: Reading, steps: list[tuple[str, str, int]]) -> None:
    log = reading.log
    for action, channel_id, back in steps:
        if action == "commit":
            log.last_seqs[channel_id] += 1
        elif action == "offer":
            reading.offer(channel_id, max(1, log.last_seqs[channel_id] - back))
        elif action == "step":
            await reading.step()
        else:
            log.fill(reading.feed, channel_id)


@settings(max_examples=500, deadline=None)
@given(before=actions, after=actions, a=st.integers(0, 3), b=st.integers(0, 3))
async def test_gives_each_entry_once_in_order_without_a_gap_whatever_is_offered(
    before: list[tuple[str, str, int]], after: list[tuple[str, str, int]], a: int, b: int
) -> None:
    log = Log(a=a, b=b)
    reading = Reading(log)

    await play(reading, before)
    await reading.step()
    await play(reading, after)
    await reading.repair()

    expected = {"a": list(range(a + 1, log.last_seqs["a"] + 1))}
    expected["b"] = list(range(b + 1, log.last_seqs["b"] + 1))
    assert reading.given == expected
    assert reading.readies == 1
    assert reading.feed.held == {}


@settings(max_examples=300, deadline=None)
@given(steps=actions)
async def test_gives_everything_up_to_the_newest_entry_that_it_was_told_of(
    steps: list[tuple[str, str, int]],
) -> None:
    """However much of it was forgotten while it replayed."""
    reading = Reading(Log(a=0, b=2))

    await play(reading, steps)
    await reading.settle()

    for channel_id, start in (("a", 0), ("b", 2)):
        newest = max(3, reading.offered[channel_id])
        assert len(reading.given[channel_id]) >= newest - start


@settings(max_examples=200, deadline=None)
@given(steps=actions)
async def test_never_gives_an_entry_out_of_turn_even_before_anything_is_repaired(
    steps: list[tuple[str, str, int]],
) -> None:
    reading = Reading(Log(a=1, b=3))

    await play(reading, steps)

    for channel_id, start in (("a", 1), ("b", 3)):
        given_seqs = reading.given[channel_id]
        assert given_seqs == list(range(start + 1, start + 1 + len(given_seqs)))


async def live_reading(**positions: int) -> Reading:
    reading = Reading(Log(**{"a": 3, "b": 3} | positions))
    await reading.settle()
    return reading


async def test_drops_everything_of_a_channel_after_the_entry_that_takes_its_user_out() -> None:
    reading = await live_reading()

    reading.feed.offer(live_entry("a", 6), 1)
    reading.feed.offer(live_entry("a", 4), 1)
    reading.feed.offer(live_entry("a", 5, takes_out=(USER,)), 1)
    reading.feed.offer(live_entry("a", 6), 1)

    assert reading.given["a"] == [4, 5]
    assert reading.feed.lacks("a") is None


async def test_goes_on_at_the_entry_that_brings_its_user_back() -> None:
    reading = await live_reading()
    reading.feed.offer(live_entry("a", 4, takes_out=(USER,)), 1)

    reading.feed.offer(live_entry("a", 10), 9)
    reading.feed.offer(live_entry("a", 5), 1)
    reading.log.wanted.clear()
    reading.feed.offer(live_entry("a", 9), 9)

    assert reading.given["a"] == [4, 9, 10]


async def test_begins_a_channel_that_joins_it_at_the_entry_that_brought_the_user_in() -> None:
    reading = await live_reading()

    reading.feed.offer(live_entry("b", 4), 1)
    reading.given["c"] = []
    reading.feed.offer(live_entry("c", 8), 7)
    reading.feed.offer(live_entry("c", 7), 7)

    assert reading.given == {"a": [], "b": [4], "c": [7, 8]}


async def test_ends_with_1013_when_more_waits_than_it_may_queue() -> None:
    log = Log(a=3, b=3)
    feed = Feed(log, USER, "device", queued_events=5)
    assert [o.value.__class__ async for o in feed.replay()] == [InboxReady]

    for seq in range(4, 10):
        assert not feed.ended.done()
        feed.offer(live_entry("a", seq), 1)

    assert feed.ended.done()
    assert log.detached == 1
    with pytest.raises(StreamCut) as cut:
        raise feed.reason or AssertionError
    assert cut.value.close_code == CloseCode.TRY_AGAIN_LATER
