"""Viewer states: reads a viewer's own state when a signal says that it changed, and gives it to
their open inboxes on this node.

One read at a time for each viewer, so that two changes cannot arrive reversed; what changes during
a read, or within the pause after it, is read once more. However many channels one acknowledges, and
however fast, that is at most one run of reads a pause.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from models.background import Background, Loops
from models.channels.viewer_states import list_viewer_states
from models.log.events import Occurrence, ViewerChannelUpdated, ViewerUpdated
from models.postgresql.database import Database
from models.users.users import find_user
from subscriptions.feed import Feed
from subscriptions.hub import Hub

# Between the reads of one viewer.
PAUSE_S = 0.2
# Channels of one statement.
CHANNELS_AT_ONCE = 100
# Of all viewers: the rest of the pool is for those who ask.
READS_AT_ONCE = 3

# What a viewer has beside channels.
OWN = ""


class ViewerStates:
    def __init__(
        self, database: Database, hub: Hub, *, unread_most: int, loops: Loops | None = None
    ) -> None:
        self._database = database
        self._hub = hub
        self._unread_most = unread_most
        # By viewer: the channels to be read, while a task is at it.
        self._wanted: dict[str, set[str]] = {}
        self._turns = asyncio.Semaphore(READS_AT_ONCE)
        self._background = Background(loops)

    async def close(self) -> None:
        await self._background.close()

    def want(self, user_id: str, channel_id: str = OWN) -> None:
        """Read, soon, the viewer's state in the channel, or their own. Never waits."""
        if not self._hub.feeds_of(user_id):
            return
        wanted = self._wanted.get(user_id)
        if wanted is not None:
            wanted.add(channel_id)
            return
        self._wanted[user_id] = {channel_id}
        self._background.spawn("viewer_states", self._read(user_id))

    async def _read(self, user_id: str) -> None:
        wanted = self._wanted[user_id]
        try:
            while wanted:
                while wanted:
                    piece = [wanted.pop() for _ in range(min(len(wanted), CHANNELS_AT_ONCE))]
                    try:
                        await self._read_piece(user_id, piece)
                    except Exception as error:
                        # What else waits must not wait for ever.
                        self._background.note("viewer_states", error)
                await asyncio.sleep(PAUSE_S)
        finally:
            del self._wanted[user_id]

    async def _read_piece(self, user_id: str, channel_ids: Sequence[str]) -> None:
        async with self._turns:
            events = await self._list_events(user_id, channel_ids)
        for event in events:
            for feed in self._hub.feeds_of(user_id):
                _put_on_inbox(feed, event)

    async def _list_events(
        self, user_id: str, channel_ids: Sequence[str]
    ) -> list[ViewerChannelUpdated | ViewerUpdated]:
        now = datetime.now(UTC)
        events: list[ViewerChannelUpdated | ViewerUpdated] = []
        if OWN in channel_ids:
            user = await find_user(self._database, user_id)
            if user is not None:
                events.append(ViewerUpdated(now, user))
        in_channels = [channel_id for channel_id in channel_ids if channel_id != OWN]
        if in_channels:
            states = await list_viewer_states(
                self._database, user_id, in_channels, unread_most=self._unread_most
            )
            events += [
                ViewerChannelUpdated(now, *msgspec.structs.astuple(state)) for state in states
            ]
        return events


def _put_on_inbox(feed: Feed, event: ViewerChannelUpdated | ViewerUpdated) -> None:
    """Put the event on an inbox, unless it is of a channel that the viewer has left."""
    if feed.kind != "inbox":
        return
    if isinstance(event, ViewerChannelUpdated) and event.channel_id in feed.left:
        return
    feed.put(Occurrence(event))
