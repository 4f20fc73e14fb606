"""The node: this process's lease, topic and registered users, and the repair of whatever Valkey
loses.

A node that misses its lease, its beat, or its connection subscribes and registers again, then
offers its feeds what they may have missed (`repair.py`); while Valkey is away it does so every 2 s.
"""

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from models.background import Background, Loops
from models.deadlines import within
from models.log.entries import Batch
from models.log.signals import Signalled
from models.postgresql.database import Database
from subscriptions.hub import Hub
from subscriptions.nodes.broker import Broker
from subscriptions.nodes.messages import FORMATS, Formats
from subscriptions.nodes.registry import Registry
from subscriptions.nodes.repair import Repair
from subscriptions.scripts import AWAY, Valkey

logger = logging.getLogger("parley.live")

BEAT_S = 1.0
BEAT_MISSED_S = 3.0
AWAY_REPAIR_S = 2.0
# Between two writes to the registry that fail: who is to be registered waits for it.
WRITE_AGAIN_S = 0.1
FORGET_USER_S = 1.0
# Between two repairs while messages come that cannot be read, as from nodes of another revision.
MISSED_REPAIR_S = 2.0


def topic_of(node_id: str) -> str:
    return "parley:{" + node_id + "}:topic"


class Node:
    def __init__(
        self,
        *,
        valkey: Valkey,
        database: Database,
        hub: Hub,
        on_repaired: Callable[[], None],
        on_signals: Callable[[Sequence[Signalled]], None],
        loops: Loops | None = None,
        beat_s: float = BEAT_S,
        formats: Formats = FORMATS,
    ) -> None:
        self.id = secrets.token_hex(8)
        # The newest version of messages that other nodes read, as far as it was seen.
        self.readers: dict[str, int] = {}
        self._formats = formats
        self._hub = hub
        self._catch_up = Repair(database, hub)
        self._beat_s = beat_s
        self._on_repaired = on_repaired
        self._on_signals = on_signals
        self._registry = Registry(valkey, self.id, reads=formats.newest, readers=self.readers)
        self._broker = Broker(valkey, self._lost_touch, loops=loops)
        self._counts: dict[str, int] = {}
        # Registry writes go in order over one task: (add or remove, user, told when written).
        self._writes: deque[tuple[bool, str, asyncio.Future[None]]] = deque()
        self._written = asyncio.Event()
        self._repair_wanted = asyncio.Event()
        # Counts the reasons for a repair: one that came during a repair calls for another.
        self._losses = 0
        # Once that is so again, the lease is renewed while a repair goes on.
        self._registered = False
        self._last_beat = time.monotonic()
        self._repaired_at = float("-inf")
        # Due when a message could not be taken in.
        self._missing: asyncio.TimerHandle | None = None
        # When a repair for such a message was asked for last.
        self._missed_at = float("-inf")
        # When all that was committed before it had certainly been offered here.
        self._in_touch = time.monotonic()
        self._background = Background(loops)

    async def open(self) -> None:
        await self._broker.open()
        background = self._background
        background.forever("node_follow", self._follow, away=AWAY)
        background.every("node_lease", self._beat_s, self._keep_lease, away=AWAY, longest_pause_s=0)
        background.whenever(
            "node_registry",
            self._written,
            self._write_registry,
            away=AWAY,
            longest_pause_s=WRITE_AGAIN_S,
        )
        background.forever("node_repair", self._repair, away=AWAY, longest_pause_s=AWAY_REPAIR_S)
        try:
            await within(self._registry.take_lease(), 2)
            await self._broker.wait_connected(2)
        except AWAY:
            self._lost_touch()

    async def close(self) -> None:
        if self._missing is not None:
            self._missing.cancel()
        await self._background.close()
        try:
            await within(self._registry.end_lease(), 1)
        except AWAY:
            logger.warning("The lease is left to end by itself.")
        await self._broker.close()

    # ---------------------------------------------------------------- users on this node

    async def add_user(self, user_id: str) -> None:
        """Register a user; return when the registry knows that this node holds a feed of theirs, or
        when Valkey is away.

        Whoever reads the log after this sees what was committed before a look-up that did not see
        the user.
        """
        self._counts[user_id] = self._counts.get(user_id, 0) + 1
        await self._write(True, user_id)

    def remove_user(self, user_id: str) -> None:
        self._counts[user_id] -= 1
        if self._counts[user_id] == 0:
            asyncio.get_running_loop().call_later(FORGET_USER_S, self._forget_user, user_id)

    def _forget_user(self, user_id: str) -> None:
        if self._counts.get(user_id) == 0:
            del self._counts[user_id]
            self._write(False, user_id)

    def _write(self, add: bool, user_id: str) -> "asyncio.Future[None]":
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writes.append((add, user_id, answer))
        self._written.set()
        return answer

    async def _write_registry(self) -> None:
        while self._writes:
            await self._write_run()

    async def _write_run(self) -> None:
        """Write as many of the next adds (or removes) as stand together."""
        kind = self._writes[0][0]
        run: list[tuple[bool, str, asyncio.Future[None]]] = []
        while self._writes and self._writes[0][0] is kind and len(run) < 1000:
            run.append(self._writes.popleft())
        user_ids = [user_id for _, user_id, _ in run]
        try:
            change = self._registry.add if kind else self._registry.remove
            await within(change(user_ids), 2)
        except BaseException:
            # The repair registers everybody anew. A user who was not removed only makes this node
            # hear too much.
            self._lost_touch()
            raise
        finally:
            for _, _, answer in run:
                if not answer.done():
                    answer.set_result(None)

    # ---------------------------------------------------------------- other nodes

    async def look_up(self, user_ids: Sequence[str]) -> dict[str, list[str]]:
        """Return the ids of the living nodes that hold each user. Raises what `AWAY` lists."""
        found = await within(self._registry.look_up(user_ids), 2)
        return dict(zip(user_ids, found, strict=True))

    async def publish(self, by_node: Mapping[str, Sequence[Batch]]) -> set[str]:
        """Send each node its batches; return the ids of the nodes that were not there to receive
        them. Raises what `AWAY` lists.
        """
        write = self._formats.write_batches
        return {
            node_id
            for node_id, batches in by_node.items()
            if not await self._publish(node_id, write(batches, reads=self._reads(node_id)))
        }

    async def publish_signals(self, by_node: Mapping[str, Sequence[Signalled]]) -> None:
        """Send each node its signals. Raises what `AWAY` lists."""
        for node_id, signals in by_node.items():
            message = self._formats.write_signals(signals, reads=self._reads(node_id))
            await self._publish(node_id, message)

    def _reads(self, node_id: str) -> int:
        """Return the newest version that a node reads; of one that nobody looked up, none."""
        return self.readers.get(node_id, 0)

    async def _publish(self, node_id: str, message: bytes) -> bool:
        """Publish on a node's topic; return False if the node does not follow it."""
        return all(await within(self._broker.publish([topic_of(node_id)], message), 2))

    async def _follow(self) -> None:
        try:
            await self._broker.follow(topic_of(self.id), self._receive)
        finally:
            # What is published before the topic is followed again is not heard.
            self._lost_touch()

    def _receive(self, message: bytes) -> None:
        """Take a message in. Never raises: what cannot be taken in is repaired from PostgreSQL."""
        received = self._formats.read(message)
        for error in received.skipped:
            self._miss(error)
        if received.beat:
            self._last_beat = time.monotonic()
            if not self._repair_wanted.is_set():
                self._in_touch = self._last_beat
        try:
            for batch in received.batches:
                self._hub.offer(batch)
            if received.signals:
                self._on_signals(received.signals)
        except Exception as error:
            self._miss(error)

    def _miss(self, error: Exception) -> None:
        """Count a message that could not be taken in, and repair: at once the first time, and every
        `MISSED_REPAIR_S` while they go on.
        """
        self._background.note("node_messages", error)
        if self._missing is None:
            since_s = time.monotonic() - max(self._missed_at, self._repaired_at)
            self._missing = asyncio.get_running_loop().call_later(
                max(0.0, MISSED_REPAIR_S - since_s), self._repair_missed
            )

    def _repair_missed(self) -> None:
        self._missing = None
        self._missed_at = time.monotonic()
        self._lost_touch()

    # ---------------------------------------------------------------- lease, beat, repair

    def _lost_touch(self) -> None:
        self._losses += 1
        self._registered = False
        self._repair_wanted.set()

    async def _keep_lease(self) -> None:
        if self._repair_wanted.is_set() and not self._registered:
            return
        if time.monotonic() - self._last_beat > BEAT_MISSED_S:
            # A connection that died without a sign looks like one on which nothing comes.
            self._broker.reconnect()
            self._lost_touch()
            return
        try:
            if not await within(self._registry.renew_lease(), 2):
                self._lost_touch()
            connected = self._broker.connected
            if not await self._publish(self.id, self._formats.write_beat()) and connected:
                # It is followed where nobody publishes, as at a server that is no primary any more.
                self._broker.reconnect()
                self._lost_touch()
        except BaseException:
            self._lost_touch()
            raise

    async def _repair(self) -> None:
        await self._repair_wanted.wait()
        losses = self._losses
        back = await self._register_again()
        started = time.monotonic()
        offered = await self._catch_up.offer_missed(started - self._in_touch)
        if offered:
            self._in_touch = started
        if back and offered and losses == self._losses:
            self._repaired_at = time.monotonic()
            self._on_repaired()
            self._repair_wanted.clear()
        elif back or self._broker.connected:
            await asyncio.sleep(0.1 if back else AWAY_REPAIR_S)
        else:
            # At once when Valkey is back.
            await self._broker.wait_connected(AWAY_REPAIR_S)

    async def _register_again(self) -> bool:
        """Subscribe, take the lease and register all users, so that a look-up finds them here;
        return False if Valkey is away.
        """
        try:
            if not await self._broker.wait_connected(0.5):
                return False
            await within(self._registry.take_lease(), 2)
            await within(self._registry.add(self._hub.users()), 5)
        except AWAY:
            return False
        self._last_beat = time.monotonic()
        self._registered = True
        return True
