"""The hub: who follows what on this node. Offers each committed entry to its recipients' feeds, and
has their gaps repaired (subscriptions/gaps.py).
"""

import asyncio

from models.background import Loops
from models.log.entries import Batch
from models.log.events import StreamCut
from models.postgresql.database import Database
from subscriptions.feed import Feed
from subscriptions.gaps import Gaps, offer_entry
from subscriptions.live_entry import LiveEntry


class Hub:
    def __init__(
        self, database: Database, *, replay_entries: int, loops: Loops | None = None
    ) -> None:
        self.replay_entries = replay_entries
        self._feeds: dict[str, set[Feed]] = {}
        self._gaps = Gaps(database, replay_entries=replay_entries, loops=loops)

    def add(self, feed: Feed) -> None:
        self._feeds.setdefault(feed.user_id, set()).add(feed)

    def remove(self, feed: Feed) -> None:
        feeds = self._feeds.get(feed.user_id)
        if feeds is not None:
            feeds.discard(feed)
            if not feeds:
                del self._feeds[feed.user_id]
        self._gaps.forget(feed)

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
                        offer_entry(feed, live_entry, joined_seq)

    def want_gap(self, feed: Feed, channel_id: str) -> None:
        self._gaps.want(feed, channel_id)

    async def close(self) -> None:
        """Read no more gaps."""
        await self._gaps.close()

    def cut(self, reason: StreamCut, *, over_s: float = 0) -> None:
        """End every feed, spread over a while, so that clients do not come back all at once."""
        loop = asyncio.get_running_loop()
        feeds = self.feeds()
        for place, feed in enumerate(feeds):
            loop.call_later(over_s * place / len(feeds), feed.end, reason)
