"""A feed: one subscriber's ordered, bounded view of the log.

Whatever is lost, repeated or reordered on the way, a feed gives each entry of a channel once, in
order, without a gap: attach, replay what was missed, merge, go live. This class decides that,
without I/O; the hub reads gaps for it.

A feed is followed either by iterating it (replay, then live; what waits is bounded), or by
iterating `replay()` and then handing a sink to `attach`, which is called synchronously for each
occurrence from then on.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Literal, Protocol

from models.close_codes import TOO_SLOW, CloseCode
from models.flag import Flag
from models.log.events import Occurrence, ResyncRequired, StreamCut
from models.log.signals import ReceiptMoved, Typed
from subscriptions.live_entry import LiveEntry
from subscriptions.replays import Pace, Replays

# The whole inbox, one kind of events of one channel, or the presence of people.
FeedKind = Literal["inbox", "messages", "receipts", "typing", "presence"]

Sink = Callable[[Occurrence], None]


def resync_occurrence(channel_id: str, seq: int) -> Occurrence:
    return Occurrence(ResyncRequired(datetime.now(UTC), channel_id, seq))


class FeedSource(Protocol):
    """Where a feed's past comes from, and who reads what it lacks."""

    def replay(self, feed: "Feed") -> AsyncIterator[Occurrence]:
        """Yield what was missed, then what marks the end of it. Calls `feed.go_live()` when nothing
        is lacking.
        """

    def want_gap(self, feed: "Feed", channel_id: str) -> None:
        """Read the entries that the feed lacks: it holds some that do not follow its position."""

    def detach(self, feed: "Feed") -> None:
        """Forget the feed: it has ended."""


class Feed:
    """Keep a position for each channel, hold entries back until those before them came, and queue
    occurrences while no sink is attached.
    """

    # Held-back entries while replaying; past it they are forgotten and read again.
    HELD_ENTRIES = 256

    def __init__(
        self,
        source: FeedSource,
        user_id: str,
        device_id: str,
        *,
        kind: FeedKind = "inbox",
        only_channel: str | None = None,
        queued_events: int = 1000,
        replays: Replays | None = None,
    ) -> None:
        self.user_id = user_id
        # What it missed comes at this pace.
        self.pace = Pace(replays or Replays(), user_id)
        self.device_id = device_id
        self.kind = kind
        self.only_channel = only_channel
        self.live = False
        self.positions: dict[str, int] = {}
        # The entry that brought the user in, where it is not the first.
        self.joined_seqs: dict[str, int] = {}
        self.held: dict[str, dict[int, LiveEntry]] = {}
        # The newest seq known of while replaying: no entry up to it may be missing.
        self.known: dict[str, int] = {}
        # Channels that the user has left, with the entry that took them out.
        self.left: dict[str, int] = {}
        self._lost: dict[str, int] = {}
        # Told of each live entry, once it was given.
        self.on_given: Callable[[], None] | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._source = source
        self._queued_events = queued_events
        self._queue: list[Occurrence] = []
        self._wake = Flag()
        self._sink: Sink | None = None
        self._reason: BaseException | None = None

    # ---------------------------------------------------------------- what comes in

    def offer(self, entry: LiveEntry, joined_seq: int) -> None:
        """Take an entry for this user: give it if it is the next, drop it if it was seen, and hold
        it back if it is ahead of its turn.
        """
        channel_id, seq = entry.channel_id, entry.seq
        if self.kind == "presence" or self.only_channel not in (None, channel_id):
            return
        if joined_seq > 1 and self.joined_seqs.get(channel_id, 1) < joined_seq:
            self._rejoin(channel_id, joined_seq)
        if self.left.get(channel_id, -1) >= joined_seq or self.ended.done():
            return  # Of the membership that has ended.
        position = self.positions.get(channel_id)
        if not self.live:
            # The replay comes to this channel at its own time.
            self._hold(entry)
            return
        if position is None:
            # A channel that joins the stream begins with the entry that brought the user in.
            position = self.positions[channel_id] = joined_seq - 1
        if seq == position + 1:
            self._emit(entry)
            self.release(channel_id)
        elif seq > position:
            self._hold(entry)
            self._source.want_gap(self, channel_id)

    def _rejoin(self, channel_id: str, joined_seq: int) -> None:
        """Go on with a membership that began later than the one known here."""
        saw_the_end = self.left.pop(channel_id, None) is not None
        self.joined_seqs[channel_id] = joined_seq
        position = self.positions.get(channel_id)
        if position is None or position >= joined_seq - 1:
            return
        # What lies between is of nobody's membership that this feed could know.
        self.held.pop(channel_id, None)
        self.known.pop(channel_id, None)
        self.positions[channel_id] = joined_seq - 1
        if saw_the_end:
            return
        if self.only_channel is not None:
            self.end()
        elif self.live:
            self.put(resync_occurrence(channel_id, joined_seq - 1))
        else:
            self._lost[channel_id] = joined_seq - 1

    def take_lost(self) -> dict[str, int]:
        """Return, once, the channels in which a membership ended and another began during the
        replay, with the seq after which each goes on.
        """
        lost, self._lost = self._lost, {}
        return lost

    def _hold(self, entry: LiveEntry) -> None:
        channel_id, seq = entry.channel_id, entry.seq
        self.known[channel_id] = max(self.known.get(channel_id, 0), seq)
        held = self.held.setdefault(channel_id, {})
        if len(held) < self.HELD_ENTRIES:
            held[seq] = entry

    def release(self, channel_id: str) -> None:
        """Give what follows the position now; drop what is behind it."""
        held = self.held.get(channel_id)
        if held is None:
            return
        position = self.positions[channel_id]
        while (entry := held.pop(position + 1, None)) is not None:
            position += 1
            self._emit(entry)
            if channel_id in self.left:
                return
        for seq in [seq for seq in held if seq <= position]:
            del held[seq]
        if not held and self.known.get(channel_id, 0) <= position:
            del self.held[channel_id]
            self.known.pop(channel_id, None)

    def lacks(self, channel_id: str) -> tuple[int, int] | None:
        """Return the seqs (after, up to) that must be read before what is held can be given, or
        None if nothing is missing.
        """
        if channel_id not in self.held:
            return None
        position = self.positions[channel_id]
        held = [seq for seq in self.held[channel_id] if seq > position]
        up_to = min(held) - 1 if held else self.known[channel_id]
        return (position, up_to) if up_to > position else None

    def skip_to(self, channel_id: str, seq: int) -> None:
        """Go on from here: what lies before was given up (ResyncRequired)."""
        self.positions[channel_id] = max(seq, self.positions.get(channel_id, 0))
        if self.on_given is not None:
            self.on_given()
        self.release(channel_id)

    def go_live(self) -> None:
        """Give those held back, and from now on each entry as it comes."""
        self.live = True
        for channel_id in tuple(self.held):
            self.release(channel_id)
            if channel_id in self.held:
                self._source.want_gap(self, channel_id)

    def put(self, occurrence: Occurrence) -> None:
        """Give, or queue, an occurrence. A feed whose queue is full ends (TRY_AGAIN_LATER)."""
        if self._sink is not None:
            self._sink(occurrence)
            return
        if len(self._queue) >= self._queued_events:
            self.end(StreamCut(CloseCode.TRY_AGAIN_LATER, TOO_SLOW))
            return
        self._queue.append(occurrence)
        self._wake.set()

    def put_signal(self, signal: ReceiptMoved | Typed, occurrence: Occurrence) -> None:
        """Give a signal's occurrence if this feed follows it. Nothing is given of a channel that
        the user has left, until the entry that brings them back was given.
        """
        channel_id = signal.channel_id
        joined_seq = self.joined_seqs.get(channel_id, 1)
        # The entries of a new membership may come before the one that begins it.
        awaited = joined_seq > 1 and self.positions.get(channel_id, joined_seq) < joined_seq
        if not self.live or channel_id in self.left or awaited:
            return
        follows = self.kind == "inbox" or (
            channel_id == self.only_channel
            and self.kind == ("receipts" if isinstance(signal, ReceiptMoved) else "typing")
        )
        if follows:
            self.put(occurrence)

    def occurrence_of(self, entry: LiveEntry) -> Occurrence:
        joined_seq = self.joined_seqs.get(entry.channel_id, 1)
        if self.kind == "messages":
            return entry.for_messages(self.user_id, joined_seq)
        return entry.for_inbox(self.user_id, joined_seq)

    def take(self, entry: LiveEntry) -> Occurrence | None:
        """Move the position to the entry; return what the subscriber sees of it, or None."""
        channel_id = entry.channel_id
        if entry.seq <= self.positions.get(channel_id, 0):
            return None  # Read before it was known that a later membership had begun.
        self.positions[channel_id] = entry.seq
        if entry.takes_out(self.user_id):
            self.left[channel_id] = entry.seq
            self.held.pop(channel_id, None)
            self.known.pop(channel_id, None)
            if self.only_channel is not None:
                self.end()
                return None
        elif self.kind != "inbox" and (self.kind != "messages" or not entry.is_message):
            return None
        return self.occurrence_of(entry)

    def _emit(self, entry: LiveEntry) -> None:
        occurrence = self.take(entry)
        if occurrence is not None:
            self.put(occurrence)
        if self.on_given is not None:
            self.on_given()

    # ---------------------------------------------------------------- what goes out

    def end(self, reason: BaseException | None = None) -> None:
        """End the stream: complete without a reason, else with it. What is queued is still given
        before completion.
        """
        if self.ended.done():
            return
        self._reason = reason
        self._source.detach(self)
        self.ended.set_result(None)
        self._wake.set()

    @property
    def reason(self) -> BaseException | None:
        return self._reason

    def replay(self) -> AsyncIterator[Occurrence]:
        return self._source.replay(self)

    def attach(self, sink: Sink) -> None:
        """Hand over what is queued, then everything as it comes."""
        while self._queue:
            sink(self._queue.pop(0))
        self._sink = sink

    async def __aiter__(self) -> AsyncIterator[Occurrence]:
        """Yield the replay, then what comes: the Subscription fields are typed as iterables."""
        try:
            async for occurrence in self.replay():
                yield occurrence
                if self._cut():
                    break
            while True:
                while self._queue and not self._cut():
                    yield self._queue.pop(0)
                if self.ended.done():
                    break
                self._wake.clear()
                await self._wake.wait()
            if self._reason is not None:
                raise self._reason
        finally:
            self.end()

    def _cut(self) -> bool:
        return self.ended.done() and self._reason is not None

    async def aclose(self) -> None:
        self.end()
