"""Gaps: entries that feeds lack, because a later one came first or a message was lost.

An entry that arrives ahead of its turn waits 20 ms for the missing one (two processes may cross);
then the gap is read once, from PostgreSQL, for all feeds that lack it.
"""

import asyncio
import logging
from collections.abc import Iterable

from models.background import Background, Loops
from models.close_codes import STREAM_FAILED, CloseCode
from models.log.entries import hydrate_entries, list_entries
from models.log.events import StreamCut, TooFarBehind
from models.postgresql.database import Database
from subscriptions.feed import Feed, resync_occurrence
from subscriptions.live_entry import LiveEntry

logger = logging.getLogger("parley.live")

CROSSING_S = 0.02
READ_AGAIN_S = 0.25


class Gaps:
    """The gaps of all feeds of a node. More than `replay_entries` are not read: the feed is told to
    fetch the channel again.
    """

    def __init__(
        self, database: Database, *, replay_entries: int, loops: Loops | None = None
    ) -> None:
        self._database = database
        self._replay_entries = replay_entries
        # By channel: the feeds that lack entries of it, while a read is due or under way.
        self._lacking: dict[str, set[Feed]] = {}
        self._background = Background(loops)

    def want(self, feed: Feed, channel_id: str) -> None:
        """Have the gap of this feed read, soon."""
        lacking = self._lacking.get(channel_id)
        if lacking is not None:
            lacking.add(feed)
            return
        self._lacking[channel_id] = {feed}
        self._background.spawn("gap", self._fill(channel_id))

    def forget(self, feed: Feed) -> None:
        """Read nothing more for this feed."""
        for lacking in self._lacking.values():
            lacking.discard(feed)

    async def close(self) -> None:
        await self._background.close()

    async def _fill(self, channel_id: str) -> None:
        """Read until no feed lacks an entry of the channel."""
        pause_s = CROSSING_S
        while channel_id in self._lacking:
            await asyncio.sleep(pause_s)
            try:
                pause_s = await self._fill_once(channel_id)
            except Exception as error:
                # Whoever lacks these entries would wait for ever if this gave up.
                self._background.note("gap", error)
                pause_s = READ_AGAIN_S

    async def _fill_once(self, channel_id: str) -> float:
        """Read once for all who lack something; return the pause before the next look."""
        lacking = {
            feed: gap for feed in self._lacking[channel_id] if (gap := feed.lacks(channel_id))
        }
        self._lacking[channel_id] = set(lacking)
        if not lacking:
            del self._lacking[channel_id]
            return 0
        after = min(gap[0] for gap in lacking.values())
        up_to = max(gap[1] for gap in lacking.values())
        if up_to - after > self._replay_entries:
            self._give_up(channel_id, lacking)
            return CROSSING_S
        entries = await list_entries(
            self._database, channel_id, after_seq=after, up_to_seq=up_to, most=up_to - after
        )
        await hydrate_entries(self._database, entries)
        for entry in entries:
            live_entry = LiveEntry(entry, fresh=False)
            for feed in lacking:
                offer_entry(feed, live_entry, feed.joined_seqs.get(channel_id, 1))
        return 0

    def _give_up(self, channel_id: str, lacking: Iterable[Feed]) -> None:
        """Tell feeds that more is missing than is replayed; go on from the newest known entry."""
        for feed in lacking:
            resync(feed, channel_id, feed.known[channel_id])


def offer_entry(feed: Feed, entry: LiveEntry, joined_seq: int) -> None:
    """Offer the entry. A feed that fails is cut alone, and its client resumes by position."""
    try:
        feed.offer(entry, joined_seq)
    except Exception as error:
        logger.error("A feed failed and is cut: %s.", type(error).__name__)
        feed.end(StreamCut(CloseCode.TRY_AGAIN_LATER, STREAM_FAILED))


def resync(feed: Feed, channel_id: str, seq: int) -> None:
    """Tell the feed's client to fetch the channel again, and go on from `seq`."""
    if feed.only_channel is not None:
        feed.end(TooFarBehind())
        return
    feed.put(resync_occurrence(channel_id, seq))
    feed.skip_to(channel_id, seq)
