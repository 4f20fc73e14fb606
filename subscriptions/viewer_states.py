"""Viewer states: reads a viewer's own state when a signal says that it changed, and gives it to
their open inboxes on this node.

All viewers whose turn has come are read by one statement. Each is in one reading at a time, so that
two changes cannot arrive reversed; what changes during a reading, or within the pause after it, is
read once more. However many channels one acknowledges, and however fast, that is at most one run of
readings a pause.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from models.background import Background, Loops
from models.channels.viewer_states import list_viewer_states
from models.log.events import Occurrence, ViewerChannelUpdated, ViewerUpdated
from models.postgresql.database import Database
from models.users.users import list_users
from subscriptions.feed import Feed
from subscriptions.hub import Hub

# Between the reads of one viewer.
PAUSE_S = 0.2
# Of one statement.
PAIRS_AT_ONCE = 100
# Statements: the rest of the pool is for those who ask.
READS_AT_ONCE = 3

# What a viewer has beside channels.
OWN = ""

# A viewer and a channel, or OWN.
Pair = tuple[str, str]
Event = ViewerChannelUpdated | ViewerUpdated


class ViewerStates:
    def __init__(
        self, database: Database, hub: Hub, *, unread_most: int, loops: Loops | None = None
    ) -> None:
        self._database = database
        self._hub = hub
        self._unread_most = unread_most
        # By viewer: the channels to be read. It holds all whose turn comes, who are being read, or
        # who rest.
        self._wanted: dict[str, set[str]] = {}
        self._due: deque[str] = deque()
        self._resting: dict[str, asyncio.TimerHandle] = {}
        self._rounds = 0
        self._background = Background(loops)

    async def close(self) -> None:
        await self._background.close()
        for timer in self._resting.values():
            timer.cancel()

    def want(self, user_id: str, channel_id: str = OWN) -> None:
        """Read, soon, the viewer's state in the channel, or their own. Never waits."""
        if not self._hub.feeds_of(user_id):
            return
        wanted = self._wanted.get(user_id)
        if wanted is not None:
            wanted.add(channel_id)
            return
        self._wanted[user_id] = {channel_id}
        self._give_turn(user_id)

    def _give_turn(self, user_id: str) -> None:
        self._due.append(user_id)
        if self._rounds < READS_AT_ONCE:
            self._rounds += 1
            self._background.spawn("viewer_states", self._read_due())

    async def _read_due(self) -> None:
        try:
            while self._due:
                pairs = self._take()
                try:
                    await self._read(pairs)
                except Exception as error:
                    # What else waits must not wait for ever.
                    self._background.note("viewer_states", error)
                for user_id in dict.fromkeys(user_id for user_id, _ in pairs):
                    self._end_turn(user_id)
        finally:
            self._rounds -= 1

    def _take(self) -> list[Pair]:
        """Take what those want who are due, of each as much as there is room for."""
        pairs: list[Pair] = []
        while self._due and len(pairs) < PAIRS_AT_ONCE:
            user_id = self._due.popleft()
            wanted = self._wanted[user_id]
            while wanted and len(pairs) < PAIRS_AT_ONCE:
                pairs.append((user_id, wanted.pop()))
        return pairs

    def _end_turn(self, user_id: str) -> None:
        if self._wanted[user_id]:
            self._give_turn(user_id)
        else:
            timer = asyncio.get_running_loop().call_later(PAUSE_S, self._end_rest, user_id)
            self._resting[user_id] = timer

    def _end_rest(self, user_id: str) -> None:
        del self._resting[user_id]
        if self._wanted[user_id]:
            self._give_turn(user_id)
        else:
            del self._wanted[user_id]

    async def _read(self, pairs: Sequence[Pair]) -> None:
        for user_id, event in await self._list_events(pairs):
            for feed in self._hub.feeds_of(user_id):
                _put_on_inbox(feed, event)

    async def _list_events(self, pairs: Sequence[Pair]) -> list[tuple[str, Event]]:
        now = datetime.now(UTC)
        events: list[tuple[str, Event]] = []
        viewers = [user_id for user_id, channel_id in pairs if channel_id == OWN]
        if viewers:
            users = await list_users(self._database, viewers, unkept=viewers)
            events += [(user.id, ViewerUpdated(now, user)) for user in users.values()]
        in_channels = [pair for pair in pairs if pair[1] != OWN]
        if in_channels:
            states = await list_viewer_states(
                self._database, in_channels, unread_most=self._unread_most
            )
            events += [
                (state.user_id, ViewerChannelUpdated(now, *msgspec.structs.astuple(state)))
                for state in states
            ]
        return events


def _put_on_inbox(feed: Feed, event: Event) -> None:
    """Put the event on an inbox, unless it is of a channel that the viewer has left."""
    if feed.kind != "inbox":
        return
    if isinstance(event, ViewerChannelUpdated) and event.channel_id in feed.left:
        return
    feed.put(Occurrence(event))
