"""Sources of feeds: what was missed of the log, read in pieces, each entry once and
in order, and then what was committed meanwhile.
"""

from collections.abc import AsyncIterator, Sequence

from models.channels.refusals import no_such_channel
from models.limits.limits import Limits
from models.log.entries import (
    Standing,
    hydrate_entries,
    list_entries,
    list_entries_at,
    list_standings,
)
from models.log.events import Occurrence, TooFarBehind
from models.postgresql.database import Database
from subscriptions.feed import Feed, resync_occurrence
from subscriptions.hub import Hub
from subscriptions.live_entry import LiveEntry
from subscriptions.nodes.node import Node

# Entries read in one piece while replaying; the next piece is read when the client has taken this
# one.
PIECE_ENTRIES = 100

# A channel, and the seq up to which its log is to be read.
Missed = tuple[str, int]


class LogSource:
    """Read the log in pieces, in order, each entry once: the part that all sources share."""

    def __init__(self, database: Database, hub: Hub, node: Node, limits: Limits) -> None:
        self._database = database
        self._hub = hub
        self._node = node
        self._limits = limits

    def want_gap(self, feed: Feed, channel_id: str) -> None:
        self._hub.want_gap(feed, channel_id)

    def detach(self, feed: Feed) -> None:
        self._hub.remove(feed)
        self._node.remove_user(feed.user_id)

    async def _read(self, feed: Feed, channel_id: str, up_to_seq: int) -> AsyncIterator[Occurrence]:
        """Yield everything from the feed's position up to a seq, and move the position."""
        while (position := feed.positions[channel_id]) < up_to_seq and not feed.ended.done():
            async with feed.pace.turn():
                entries = await list_entries(
                    self._database,
                    channel_id,
                    after_seq=position,
                    up_to_seq=up_to_seq,
                    most=PIECE_ENTRIES,
                )
                await hydrate_entries(self._database, entries)
            for entry in entries:
                await feed.pace.step()
                occurrence = feed.take(LiveEntry(entry, fresh=False))
                if occurrence is not None:
                    yield occurrence
                if channel_id in feed.left:
                    return

    async def _read_missed(self, feed: Feed, missed: Sequence[Missed]) -> AsyncIterator[Occurrence]:
        """Do as `_read` for several channels in which little was missed, by one piece for all."""
        if len(missed) == 1:
            async for occurrence in self._read(feed, *missed[0]):
                yield occurrence
            return
        places = [
            (channel_id, seq)
            for channel_id, up_to in missed
            for seq in range(feed.positions[channel_id] + 1, up_to + 1)
        ]
        async with feed.pace.turn():
            entries = await list_entries_at(self._database, places)
            await hydrate_entries(self._database, entries)
        for entry in entries:
            if feed.ended.done():
                return
            if entry.channel_id in feed.left:
                continue
            await feed.pace.step()
            taken = feed.take(LiveEntry(entry, fresh=False))
            if taken is not None:
                yield taken

    async def _read_what_is_lacking(self, feed: Feed) -> AsyncIterator[Occurrence]:
        """Yield what was committed during the replay and is not held back whole; then let the feed
        go live, without a pause.
        """
        while not feed.ended.done():
            if lost := feed.take_lost():
                for channel_id, seq in lost.items():
                    yield resync_occurrence(channel_id, seq)
            elif lacking := self._lacking(feed):
                for channel_id, up_to_seq in lacking:
                    async for occurrence in self._read(feed, channel_id, up_to_seq):
                        yield occurrence
            else:
                self._go_live(feed)
                return

    def _go_live(self, feed: Feed) -> None:
        feed.go_live()

    def _lacking(self, feed: Feed) -> list[tuple[str, int]]:
        for channel_id in feed.held.keys() - feed.positions.keys():
            # A channel joined during the replay begins at the entry that joins it.
            feed.positions[channel_id] = feed.joined_seqs.get(channel_id, 1) - 1
        return [(channel_id, gap[1]) for channel_id in feed.held if (gap := feed.lacks(channel_id))]


class PresenceSource(LogSource):
    """Replay nothing: the presence watch gives the present state as the first change."""

    async def replay(self, feed: Feed) -> AsyncIterator[Occurrence]:
        feed.go_live()
        missed: tuple[Occurrence, ...] = ()
        for occurrence in missed:
            yield occurrence


class ChannelSource(LogSource):
    def __init__(self, database: Database, hub: Hub, node: Node, limits: Limits) -> None:
        super().__init__(database, hub, node, limits)
        self._last_seq = 0

    async def begin(self, feed: Feed, after_seq: int | None) -> None:
        """Set the position.

        Raises:
            Refused, TooFarBehind: as `Following.follow_messages`.
        """
        assert feed.only_channel is not None
        at = await self._read_standing(feed, feed.only_channel)
        if at is None or at.left_seq is not None:
            raise no_such_channel()
        start = at.last_seq if after_seq is None else max(after_seq, at.joined_seq - 1)
        if start > at.last_seq or at.last_seq - start > self._limits.replay_entries:
            raise TooFarBehind
        if at.joined_seq > 1:
            feed.joined_seqs[at.channel_id] = at.joined_seq
        feed.positions[at.channel_id] = start
        self._last_seq = at.last_seq

    async def _read_standing(self, feed: Feed, channel_id: str) -> Standing | None:
        while True:
            found = await list_standings(self._database, feed.user_id, [channel_id])
            # Else they came in (again) since it was read.
            if not found or found[0].joined_seq >= feed.joined_seqs.get(channel_id, 1):
                return found[0] if found else None

    async def replay(self, feed: Feed) -> AsyncIterator[Occurrence]:
        assert feed.only_channel is not None
        async for occurrence in self._read(feed, feed.only_channel, self._last_seq):
            yield occurrence
        async for occurrence in self._read_what_is_lacking(feed):
            yield occurrence
