"""Progress: tells the client of an inbox how far the stream has got, so that it can acknowledge.

Nothing is told of a stream in which nothing was sent.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from models.log.events import InboxProgress, Occurrence
from models.log.streams.cursors import Cursors, StreamPlace
from subscriptions.feed import Feed


def place_of(feed: Feed, cursors: Cursors) -> StreamPlace:
    """Return where the feed is now, in one piece: it covers all that was given so far."""
    now = datetime.now(UTC)
    return StreamPlace(cursors, feed.user_id, feed.device_id, feed.positions, feed.left, at=now)


class Progress:
    """Puts `InboxProgress` on a feed, at most `every_s` after an entry that it covers."""

    def __init__(
        self, feed: Feed, make_place: Callable[[], StreamPlace], *, every_s: float, entries: int
    ) -> None:
        self._feed = feed
        self._make_place = make_place
        self._every_s = every_s
        self._entries = entries
        self._timer: asyncio.TimerHandle | None = None
        # Of the replay, since the last one.
        self._replayed = 0
        self._told_at = time.monotonic()
        feed.on_given = self.note
        feed.ended.add_done_callback(lambda _: self._stop())

    def note(self) -> None:
        """Something was given, live: tell of it in time."""
        if self._timer is None and not self._feed.ended.done():
            self._timer = asyncio.get_running_loop().call_later(self._every_s, self._tell)

    def note_replayed(self) -> Occurrence | None:
        """Return what to give after this entry of a replay: mostly nothing."""
        self._replayed += 1
        now = time.monotonic()
        if self._replayed < self._entries and now - self._told_at < self._every_s:
            return None
        self._replayed = 0
        self._told_at = now
        return self._occurrence()

    def _tell(self) -> None:
        self._timer = None
        if not self._feed.ended.done():
            self._feed.put(self._occurrence())

    def _occurrence(self) -> Occurrence:
        return Occurrence(InboxProgress(datetime.now(UTC), self._make_place()))

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
