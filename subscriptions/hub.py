"""The hub: who follows what on this node. Offers each committed entry to its recipients' feeds, and
reads their gaps.

An entry that arrives ahead of its turn waits 20 ms for the missing one (two processes may cross);
then the gap is read once for all feeds that lack it.
"""

import asyncio
import logging
from collections.abc import Iterable

from models.background import Background, Loops
from models.close_codes import STREAM_FAILED, CloseCode
from models.database import Database
from models.log.entries import Batch, hydrate_entries, list_entries
from models.log.events import StreamCut, TooFarBehind
from subscriptions.feed import Feed, resync_occurrence
from subscriptions.live_entry import LiveEntry

logger = logging.getLogger("parley.live")

CROSSING_S = 0.02
READ_AGAIN_S = 0.25


class Hub:
    def __init__(
        self, database: Database, *, replay_entries: int, loops: Loops | None = None
    ) -> None:
        self._database = database
        self.replay_entries = replay_entries
        self._feeds: dict[str, set[Feed]] = {}
        # By channel: the feeds that lack entries of it, while a read is due or under way.
        self._gaps: dict[str, set[Feed]] = {}
        self._background = Background(loops)

    def add(self, feed: Feed) -> None:
        self._feeds.setdefault(feed.user_id, set()).add(feed)

    def remove(self, feed: Feed) -> None:
        feeds = self._feeds.get(feed.user_id)
        if feeds is not None:
            feeds.discard(feed)
            if not feeds:
                del self._feeds[feed.user_id]
        for lacking in self._gaps.values():
            lacking.discard(feed)

    def feeds_of(self, user_id: str) -> tuple[Feed, ...]:
        return tuple(self._feeds.get(user_id, ()))

    def users(self) -> list[str]:
        return list(self._feeds)

    def feeds(self) -> list[Feed]:
        return [feed for feeds in self._feeds.values() for feed in feeds]

    def offer(self, batch: Batch) -> None:
        """Offer a batch's entries to the feeds of their recipients. Never waits, never raises: a
        feed that fails is cut alone, and its client resumes by position.
        """
        for entry in batch.entries:
            recipients = batch.recipients.get(entry.channel_id)
            if recipients is None:
                continue
            live_entry = LiveEntry(entry, fresh=batch.fresh)
            for user_id, joined_seq in zip(
                recipients.user_ids, recipients.joined_seqs, strict=True
            ):
                feeds = self._feeds.get(user_id)
                if feeds:
                    for feed in tuple(feeds):
                        _offer(feed, live_entry, joined_seq)

    def want_gap(self, feed: Feed, channel_id: str) -> None:
        lacking = self._gaps.get(channel_id)
        if lacking is not None:
            lacking.add(feed)
            return
        self._gaps[channel_id] = {feed}
        self._background.spawn("gap", self._fill(channel_id))

    async def close(self) -> None:
        """Read no more gaps."""
        await self._background.close()

    async def _fill(self, channel_id: str) -> None:
        """Read until no feed lacks an entry of the channel."""
        pause_s = CROSSING_S
        while channel_id in self._gaps:
            await asyncio.sleep(pause_s)
            try:
                pause_s = await self._fill_once(channel_id)
            except Exception as error:
                # Whoever lacks these entries would wait for ever if this gave up.
                self._background.note("gap", error)
                pause_s = READ_AGAIN_S

    async def _fill_once(self, channel_id: str) -> float:
        """Read once for all who lack something; return the pause before the next look."""
        lacking = {feed: gap for feed in self._gaps[channel_id] if (gap := feed.lacks(channel_id))}
        self._gaps[channel_id] = set(lacking)
        if not lacking:
            del self._gaps[channel_id]
            return 0
        after = min(gap[0] for gap in lacking.values())
        up_to = max(gap[1] for gap in lacking.values())
        if up_to - after > self.replay_entries:
            self._give_up(channel_id, lacking)
            return CROSSING_S
        entries = await list_entries(
            self._database, channel_id, after_seq=after, up_to_seq=up_to, most=up_to - after
        )
        await hydrate_entries(self._database, entries)
        for entry in entries:
            live_entry = LiveEntry(entry, fresh=False)
            for feed in lacking:
                _offer(feed, live_entry, feed.joined_seqs.get(channel_id, 1))
        return 0

    def _give_up(self, channel_id: str, lacking: Iterable[Feed]) -> None:
        """Tell feeds that more is missing than is replayed; go on from the newest known entry."""
        for feed in lacking:
            resync(feed, channel_id, feed.known[channel_id])

    def cut(self, reason: StreamCut, *, over_s: float = 0) -> None:
        """End every feed, spread over a while, so that clients do not come back all at once."""
        loop = asyncio.get_running_loop()
        feeds = self.feeds()
        for place, feed in enumerate(feeds):
            loop.call_later(over_s * place / len(feeds), feed.end, reason)


def _offer(feed: Feed, entry: LiveEntry, joined_seq: int) -> None:
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
