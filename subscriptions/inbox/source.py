"""Where an inbox's past comes from: all channels of the viewer, each from where the stream begins
in it.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from models.limits.limits import Limits
from models.log.entries import (
    Standing,
    list_device_positions,
    list_resuming,
    list_standings,
)
from models.log.events import InboxReady, Occurrence, ResyncRequired
from models.log.streams.cursors import Cursors, StreamPlace, find_unclear
from models.log.streams.named import InboxStart, NamedStream, StreamName, Streams
from models.postgresql.database import Database
from subscriptions.feed import Feed, resync_occurrence
from subscriptions.hub import Hub
from subscriptions.inbox.beginnings import Beginnings, known_positions
from subscriptions.inbox.progress import Progress, place_of
from subscriptions.nodes.node import Node
from subscriptions.sources import PIECE_ENTRIES, LogSource, Missed


class InboxSource(LogSource):
    def __init__(
        self,
        database: Database,
        hub: Hub,
        node: Node,
        limits: Limits,
        cursors: Cursors,
        start: InboxStart,
    ) -> None:
        super().__init__(database, hub, node, limits)
        self._cursors = cursors
        self._start = start
        self._progress: Progress | None = None
        self._ready: StreamPlace | None = None

    async def replay(self, feed: Feed) -> AsyncIterator[Occurrence]:
        if self._start.heartbeat_s is not None:
            self._progress = Progress(
                feed,
                lambda: place_of(feed, self._cursors),
                every_s=self._start.heartbeat_s,
                entries=self._limits.progress_entries,
            )
        async with feed.pace.turn():
            beginnings, standings = await self._read_beginnings(feed)
        for channel_id, seq in list(self._set_positions(feed, standings, beginnings)):
            yield resync_occurrence(channel_id, seq)
        replayed = 0
        async for occurrence in self._read_all(feed, standings):
            replayed += not isinstance(occurrence.value, ResyncRequired)
            yield occurrence
            if self._progress and (progress := self._progress.note_replayed()):
                yield progress
        if feed.ended.done():
            return
        assert self._ready is not None
        yield Occurrence(InboxReady(datetime.now(UTC), replayed, self._ready))

    async def _read_beginnings(self, feed: Feed) -> tuple[Beginnings, list[Standing]]:
        """Read how the user stands in their channels, after what is known of the stream: what it
        has stored is never past the log.
        """
        start, now = self._start, datetime.now(UTC)
        standings: list[Standing] | None = None
        device: Mapping[str, int] = {}
        stream: NamedStream | None = None
        if start.stream_id is not None:
            device, stream = await self._read_stream(feed, start.stream_id, now)
        elif start.cursor is None:
            standings, device = await list_resuming(self._database, feed.user_id, feed.device_id)
        kept = timedelta(days=self._limits.stream_kept_days)
        cursor = (
            None
            if start.cursor is None
            else self._cursors.read(start.cursor, feed.user_id, feed.device_id)
        )
        known, lost = known_positions(start.cursor, cursor, stream, kept=kept, now=now)
        began = None if stream is None else stream.began
        if standings is None:
            standings = await list_standings(self._database, feed.user_id)
        beginnings = Beginnings(
            after=start.after,
            known=known,
            default=device if began is None else began,
            lost=lost,
            unclear=set()
            if known is None and began is None
            else find_unclear(at.channel_id for at in standings),
        )
        return beginnings, standings

    async def _read_stream(
        self, feed: Feed, stream_id: str, now: datetime
    ) -> tuple[Mapping[str, int], NamedStream]:
        """Return the device's positions, where they count, and the stream of this name."""
        streams = Streams(self._database, self._limits)
        name = StreamName(feed.user_id, feed.device_id, stream_id)
        stream = await streams.find(name, now=now)
        if stream is not None:
            await streams.note_use(name, stream, now=now)
            return {}, stream
        device = await list_device_positions(self._database, feed.user_id, feed.device_id)
        return device, await streams.open(name, device_positions=device, now=now)

    async def _read_all(
        self, feed: Feed, standings: Iterable[Standing]
    ) -> AsyncIterator[Occurrence]:
        for missed in _by_piece(feed, standings):
            async for occurrence in self._read_missed(feed, missed):
                yield occurrence
        async for occurrence in self._read_what_is_lacking(feed):
            yield occurrence

    def _go_live(self, feed: Feed) -> None:
        # Before what is held back goes in: that comes after `InboxReady`.
        self._ready = place_of(feed, self._cursors)
        super()._go_live(feed)

    def _set_positions(
        self, feed: Feed, standings: Iterable[Standing], beginnings: Beginnings
    ) -> Iterable[tuple[str, int]]:
        """Set where each channel begins. Channels whose position cannot be used begin at their end;
        yield those, with that seq.
        """
        for at in standings:
            known_joined_seq = feed.joined_seqs.get(at.channel_id, 1)
            if known_joined_seq > at.joined_seq:
                # They came in (again) since this was read: what is held begins with that.
                at = Standing(at.channel_id, known_joined_seq, known_joined_seq - 1, None)
            if at.joined_seq > 1:
                feed.joined_seqs[at.channel_id] = at.joined_seq
            beginning = beginnings.find(at)
            start = beginning.seq
            if at.left_seq is not None:
                # Only the entry that says so, unless this client knows it.
                if start >= at.left_seq:
                    feed.left[at.channel_id] = at.left_seq
            elif not beginning.clear or self._cannot_resume(at, start):
                start = at.last_seq
                yield at.channel_id, at.last_seq
            feed.positions[at.channel_id] = start

    def _cannot_resume(self, at: Standing, start: int) -> bool:
        return start > at.last_seq or at.last_seq - start > self._limits.replay_entries


def _by_piece(feed: Feed, standings: Iterable[Standing]) -> Iterator[list[Missed]]:
    """Yield the channels in which something was missed: together those that fit into a piece, and
    alone each in which more was.
    """
    together: list[Missed] = []
    entries = 0
    for at in standings:
        up_to = at.last_seq if at.left_seq is None else at.left_seq
        count = up_to - feed.positions[at.channel_id]
        if count <= 0:
            continue
        if together and entries + count > PIECE_ENTRIES:
            yield together
            together, entries = [], 0
        together.append((at.channel_id, up_to))
        entries += count
    if together:
        yield together
