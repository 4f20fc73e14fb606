"""The signaller: carries what has no place in a log to the open streams of those it concerns.

Own streams are served at once, others by one look-up and one publish a node for all that waits. A
signal is a hint: one that cannot be delivered is dropped, and clients fetch again after a repair.
Where a signal stands for a value (the viewer's own state), the node that receives it reads the
value, one read at a time for each user and channel, so that two changes cannot arrive reversed.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime

from models.channels import find_viewer_state
from models.database import Database
from models.events import (
    Occurrence,
    ReceiptUpdated,
    TypingUpdated,
    ViewerChannelUpdated,
    ViewerUpdated,
)
from models.refusals import Refused
from models.signals import (
    ReceiptMoved,
    Signalled,
    Typed,
    ViewerChanged,
    ViewerChannelChanged,
)
from models.users import find_user
from subscriptions.broker import AWAY
from subscriptions.feed import Feed
from subscriptions.hub import Hub
from subscriptions.node import Node

logger = logging.getLogger("parley.live")

# Beyond this, signals are dropped: they are hints, and memory is bounded.
WAITING_SIGNALS = 10_000


class Signaller:
    def __init__(self, database: Database, hub: Hub, *, unread_most: int) -> None:
        self._database = database
        self._hub = hub
        self._unread_most = unread_most
        self._waiting: asyncio.Queue[Signalled] = asyncio.Queue(WAITING_SIGNALS)
        # What is being read, by user and channel ("" for the user's own); True: read again after.
        self._reading: dict[tuple[str, str], bool] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, node: Node) -> None:
        self._spawn_task(self._publish(node))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def announce(self, signals: Sequence[Signalled]) -> None:
        """Tell the streams of this node, and then the other nodes. Never waits."""
        self.receive(signals)
        for signal in signals:
            if self._waiting.full():
                return
            self._waiting.put_nowait(signal)

    def receive(self, signals: Sequence[Signalled]) -> None:
        """Give signals to this node's feeds."""
        for signalled in signals:
            match signalled.signal:
                case ReceiptMoved() | Typed() as signal:
                    self._put(signalled.user_ids, signal)
                case ViewerChannelChanged(channel_id):
                    self._read_for(signalled.user_ids, channel_id)
                case ViewerChanged():
                    self._read_for(signalled.user_ids, "")

    def _put(self, user_ids: Sequence[str], signal: ReceiptMoved | Typed) -> None:
        occurrence = Occurrence(_event_of(signal), {})
        for user_id in user_ids:
            for feed in self._hub.feeds_of(user_id):
                feed.put_signal(signal, occurrence)

    def _read_for(self, user_ids: Sequence[str], channel_id: str) -> None:
        for user_id in user_ids:
            if self._hub.feeds_of(user_id):
                self._read(user_id, channel_id)

    # ---------------------------------------------------------------- values that are read here

    def _read(self, user_id: str, channel_id: str) -> None:
        key = (user_id, channel_id)
        if key in self._reading:
            self._reading[key] = True
            return
        self._reading[key] = False
        self._spawn_task(self._read_and_put(user_id, channel_id))

    async def _read_and_put(self, user_id: str, channel_id: str) -> None:
        key = (user_id, channel_id)
        try:
            while True:
                self._reading[key] = False
                occurrence = await self._find_state(user_id, channel_id)
                if occurrence is not None:
                    for feed in self._hub.feeds_of(user_id):
                        _put_on_inbox(feed, occurrence)
                if not self._reading[key]:
                    return
        except Refused:
            logger.warning("A viewer's state could not be read.")
        finally:
            del self._reading[key]

    async def _find_state(self, user_id: str, channel_id: str) -> Occurrence | None:
        now = datetime.now(UTC)
        if not channel_id:
            user = await find_user(self._database, user_id)
            return None if user is None else Occurrence(ViewerUpdated(now, user))
        state = await find_viewer_state(
            self._database, user_id, channel_id, unread_most=self._unread_most
        )
        return None if state is None else Occurrence(ViewerChannelUpdated(now, *state))

    # ---------------------------------------------------------------- other nodes

    async def _publish(self, node: Node) -> None:
        while True:
            signals = [await self._waiting.get()]
            while not self._waiting.empty() and len(signals) < 500:
                signals.append(self._waiting.get_nowait())
            try:
                await self._publish_to_nodes(node, signals)
            except AWAY:
                logger.warning("Valkey is away: %d signals are lost.", len(signals))

    async def _publish_to_nodes(self, node: Node, signals: Sequence[Signalled]) -> None:
        user_ids = list({user_id for s in signals for user_id in s.user_ids})
        nodes_of = dict(zip(user_ids, await node.look_up(user_ids), strict=True))
        by_node: dict[str, list[Signalled]] = {}
        for signalled in signals:
            for node_id in {n for user in signalled.user_ids for n in nodes_of[user]} - {node.id}:
                by_node.setdefault(node_id, []).append(signalled)
        for node_id, its_signals in by_node.items():
            await node.publish_signals([node_id], its_signals)

    def _spawn_task(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _event_of(signal: ReceiptMoved | Typed) -> ReceiptUpdated | TypingUpdated:
    at, channel_id, user_id = signal.at, signal.channel_id, signal.user_id
    if isinstance(signal, ReceiptMoved):
        return ReceiptUpdated(at, channel_id, user_id, signal.delivered_seq, signal.read_seq)
    return TypingUpdated(at, channel_id, user_id, signal.typing, signal.expires_at)


def _put_on_inbox(feed: Feed, occurrence: Occurrence) -> None:
    if feed.kind == "inbox":
        feed.put(occurrence)
