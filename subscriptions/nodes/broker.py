"""The broker: Valkey pub/sub behind broadcaster's seam, with a backend of our own.

A message is a hint: it may be lost, repeated, or come late. What is promised is that a loss is
noticed: whenever a topic was not subscribed for a moment, `on_gap` is called after it is again, and
the caller reads the table. broadcaster's own Redis backend loses its first topic, and its listener
dies with the connection.

On a cluster a topic is *sharded*: it is published at the primary that has its slot, and heard only
of those who are subscribed there.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

from broadcaster import Broadcast, BroadcastBackend, Event
from redis.asyncio import ConnectionPool
from redis.asyncio.client import PubSub
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import ConnectionError as ValkeyConnectionError

from models.background import Background, Loops
from models.deadlines import within
from subscriptions.scripts import AWAY, Valkey

# Between two tries to connect.
LONGEST_PAUSE_S = 0.5


class Unsubscribed(ValkeyConnectionError):
    """Valkey ended a subscription that is wanted: the topic's slot has moved to another server."""


class ValkeyBackend(BroadcastBackend):
    """Keep one connection for each topic that is wanted; a node has one topic. Subscribing only
    edits what is wanted, so it never suspends. When one connection breaks, all are begun anew.
    """

    def __init__(
        self, valkey: Valkey, on_gap: Callable[[], None], loops: Loops | None = None
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
        """Publish one message on several topics at once; return how many subscribers it reached on
        each.
        """
        if isinstance(self._valkey, RedisCluster):
            published = (self._valkey.spublish(channel, message) for channel in channels)
            return list(await asyncio.gather(*published))
        pipeline = self._valkey.pipeline(transaction=False)
        for channel in channels:
            pipeline.publish(channel, message)
        return await pipeline.execute()

    async def next_published(self) -> Event:
        return await self._received.get()

    def reconnect(self) -> None:
        """Leave the connections, which are silent and may be dead, and begin others."""
        self._renew = True
        self.connected.clear()
        self._changed.set()

    async def _read(self) -> None:
        """Read what is wanted, until a connection breaks or all are to be left."""
        readers: dict[str, asyncio.Task[None]] = {}
        self._renew = False
        self._confirmed.clear()
        try:
            while not self._renew:
                self._changed.clear()
                await self._reconcile(readers)
                changed = asyncio.create_task(self._changed.wait())
                try:
                    await asyncio.wait({changed, *readers.values()}, return_when="FIRST_COMPLETED")
                finally:
                    changed.cancel()
                for reader in readers.values():
                    if reader.done():
                        reader.result()
        finally:
            self.connected.clear()
            self._gap = self._gap or bool(self._wanted)
            await _end(readers.values())

    async def _reconcile(self, readers: dict[str, "asyncio.Task[None]"]) -> None:
        """Begin to read what is newly wanted, and read no more what is not."""
        unwanted = [readers.pop(topic) for topic in readers.keys() - self._wanted]
        await _end(unwanted)
        self._confirmed &= self._wanted
        for topic in sorted(self._wanted - readers.keys()):
            readers[topic] = asyncio.create_task(self._follow(topic))

    async def _follow(self, topic: str) -> None:
        """Subscribe to a topic, and read it until the connection breaks."""
        pubsub = await self._open(topic)
        try:
            await (pubsub.ssubscribe if self._sharded else pubsub.subscribe)(topic)
            while not self._renew:
                message = await pubsub.get_message(timeout=1.0)
                if message is not None:
                    await self._take(topic, message)
        finally:
            await _close(pubsub)

    @property
    def _sharded(self) -> bool:
        return isinstance(self._valkey, RedisCluster)

    async def _open(self, topic: str) -> PubSub:
        """Return what is to be subscribed: on a cluster, at the primary that has the topic now."""
        if not isinstance(self._valkey, RedisCluster):
            return self._valkey.pubsub(ignore_subscribe_messages=False)
        await self._valkey.initialize()
        if self._gap:
            # The primary may be another one since.
            await self._valkey.nodes_manager.initialize()
        primary = self._valkey.get_node_from_key(topic)
        if primary is None:
            raise ValkeyConnectionError("No server of the cluster has the topic's slot.")
        pool: Any = ConnectionPool(
            connection_class=primary.connection_class, **primary.connection_kwargs
        )
        return PubSub(pool, ignore_subscribe_messages=False)

    async def _take(self, topic: str, message: dict[str, Any]) -> None:
        match message["type"]:
            case "message" | "smessage":
                await self._received.put(Event(topic, message["data"]))
            case "subscribe" | "ssubscribe":
                self._confirm(topic)
            case "unsubscribe" | "sunsubscribe":
                raise Unsubscribed("Valkey ended the subscription.")

    def _confirm(self, topic: str) -> None:
        """Note that a topic is subscribed. redis-py connects again by itself and says nothing, but
        then confirms every topic once more: that is a gap.
        """
        if topic in self._confirmed:
            self._gap = True
        self._confirmed.add(topic)
        if self._confirmed >= self._wanted:
            self.connected.set()
            if self._gap:
                self._gap = False
                self._on_gap()


async def _end(readers: Sequence["asyncio.Task[None]"] | Any) -> None:
    for reader in (readers := list(readers)):
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)


async def _close(pubsub: PubSub) -> None:
    try:
        await within(pubsub.aclose(), 1)  # type: ignore[no-untyped-call]
    except AWAY:
        return


class Broker:
    """Link a node to the others: follow one topic of its own, and publish on theirs."""

    def __init__(
        self, valkey: Valkey, on_gap: Callable[[], None], *, loops: Loops | None = None
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
