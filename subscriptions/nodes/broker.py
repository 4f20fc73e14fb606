"""The broker: Valkey pub/sub behind broadcaster's seam, with a backend of our own.

A message is a hint: it may be lost, repeated, or come late. What is promised is that a loss is
noticed: whenever the connection was down, `on_gap` is called after the topics are subscribed again,
and the caller reads the table. broadcaster's own Redis backend loses its first topic, and its
listener dies with the connection.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

from broadcaster import Broadcast, BroadcastBackend, Event
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from models.background import Background, Loops
from models.deadlines import within

AWAY = (RedisError, OSError, asyncio.TimeoutError)
# Between two tries to connect.
LONGEST_PAUSE_S = 0.5


class ValkeyBackend(BroadcastBackend):
    """Keep one connection that is subscribed to the wanted topics. Subscribing only edits what is
    wanted, so it never suspends; one task reads, and connects again.
    """

    def __init__(
        self, valkey: Redis, on_gap: Callable[[], None], loops: Loops | None = None
    ) -> None:
        self._valkey = valkey
        self._on_gap = on_gap
        self._wanted: set[str] = set()
        self._changed = asyncio.Event()
        # Bounded: past it the reader waits, Valkey cuts the connection at its output limit, and
        # that is a gap.
        self._received: asyncio.Queue[Event] = asyncio.Queue(10_000)
        self._background = Background(loops)
        self._confirmed: set[str] = set()
        # Something may have been lost, and nobody was told yet.
        self._gap = False
        self._renew = False
        self.connected = asyncio.Event()

    async def connect(self) -> None:
        self._background.forever("broker", self._read, away=AWAY, longest_pause_s=LONGEST_PAUSE_S)

    async def disconnect(self) -> None:
        await self._background.close()

    async def subscribe(self, channel: str) -> None:
        self._wanted.add(channel)
        self._changed.set()

    async def unsubscribe(self, channel: str) -> None:
        self._wanted.discard(channel)
        self._changed.set()

    async def publish(self, channel: str, message: bytes) -> None:
        await self.publish_all([channel], message)

    async def publish_all(self, channels: Sequence[str], message: bytes) -> list[int]:
        """Publish one message on several topics in one round trip; return how many subscribers it
        reached on each.
        """
        pipeline = self._valkey.pipeline(transaction=False)
        for channel in channels:
            pipeline.publish(channel, message)
        return await pipeline.execute()

    async def next_published(self) -> Event:
        return await self._received.get()

    def reconnect(self) -> None:
        """Leave the connection, which is silent and may be dead, and begin another."""
        self._renew = True
        self.connected.clear()

    async def _read(self) -> None:
        """Read over one connection, until it breaks or is to be left."""
        pubsub = self._valkey.pubsub(ignore_subscribe_messages=False)
        try:
            await self._follow(pubsub)
        finally:
            self.connected.clear()
            self._gap = True
            await _close(pubsub)

    async def _follow(self, pubsub: PubSub) -> None:
        """Subscribe to what is wanted, and read until the connection breaks or is to be left."""
        self._renew = False
        self._confirmed.clear()
        subscribed: set[str] = set()
        while not self._renew:
            if self._wanted != subscribed:
                subscribed = await self._reconcile(pubsub, subscribed)
            if not subscribed:
                # What changed is taken in; a flag left over would make this loop spin.
                self._changed.clear()
                await self._changed.wait()
                continue
            message = await pubsub.get_message(timeout=1.0)
            if message is None:
                continue
            topic = message["channel"].decode()
            if message["type"] == "message":
                await self._received.put(Event(topic, message["data"]))
            elif message["type"] == "subscribe":
                self._confirm(topic, subscribed)

    def _confirm(self, topic: str, subscribed: set[str]) -> None:
        """Note that a topic is subscribed. redis-py connects again by itself and says nothing, but
        then confirms every topic once more: that is a gap.
        """
        if topic in self._confirmed:
            self._gap = True
            self._confirmed.clear()
        self._confirmed.add(topic)
        if self._confirmed >= subscribed:
            self.connected.set()
            if self._gap:
                self._gap = False
                self._on_gap()

    async def _reconcile(self, pubsub: PubSub, subscribed: set[str]) -> set[str]:
        self._changed.clear()
        wanted = set(self._wanted)
        if new := wanted - subscribed:
            await pubsub.subscribe(*sorted(new))
        if old := subscribed - wanted:
            await pubsub.unsubscribe(*sorted(old))
            self._confirmed -= old
        return wanted


async def _close(pubsub: PubSub) -> None:
    try:
        await within(pubsub.aclose(), 1)  # type: ignore[no-untyped-call]
    except AWAY:
        return


class Broker:
    """Link a node to the others: follow one topic of its own, and publish on theirs."""

    def __init__(
        self, valkey: Redis, on_gap: Callable[[], None], *, loops: Loops | None = None
    ) -> None:
        self._backend = ValkeyBackend(valkey, on_gap, loops)
        self._broadcast = Broadcast(backend=self._backend)

    async def open(self) -> None:
        await self._broadcast.connect()

    async def close(self) -> None:
        await self._broadcast.disconnect()

    @property
    def connected(self) -> bool:
        return self._backend.connected.is_set()

    async def wait_connected(self, within_s: float) -> bool:
        try:
            await within(self._backend.connected.wait(), within_s)
        except TimeoutError:
            return False
        return True

    def reconnect(self) -> None:
        """Begin a new connection, with a gap: nothing has come for too long."""
        self._backend.reconnect()

    async def follow(self, topic: str, on_message: Callable[[bytes], None]) -> None:
        """Call `on_message` for everything published on the topic, until cancelled."""
        async with self._broadcast.subscribe(topic) as subscriber:
            while True:
                event = await subscriber.get()
                # broadcaster says str; it hands on what the backend gave, and ours gives bytes.
                on_message(cast(bytes, event.message))

    async def publish(self, topics: Sequence[str], message: bytes) -> list[int]:
        return await self._backend.publish_all(topics, message)
