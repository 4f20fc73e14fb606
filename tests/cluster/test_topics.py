"""Topics on a cluster: each is heard at the primary that has its slot, and whenever that is another
one since, there was a gap.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest_asyncio

from models import ids
from subscriptions.nodes.broker import Broker
from subscriptions.nodes.node import topic_of
from subscriptions.nodes.opening import open_valkey
from subscriptions.scripts import AWAY, Valkey
from tests.cluster.servers import PRIMARIES, ValkeyCluster
from tests.serving import Server
from tests.waiting import eventually


@dataclass
class Following:
    """One who follows topics, what it heard, and of how many gaps it was told."""

    broker: Broker
    heard: list[bytes] = field(default_factory=list)
    gaps: int = 0

    def note_gap(self) -> None:
        self.gaps += 1

    async def hears(self, topic: str, message: bytes) -> None:
        async def is_heard() -> bool:
            try:
                await self.broker.publish([topic], message)
            except AWAY:
                return False
            return message in self.heard

        await eventually(is_heard)


@pytest_asyncio.fixture
async def valkeys(valkey_cluster: ValkeyCluster) -> AsyncIterator[Valkey]:
    client = open_valkey(valkey_cluster.url)
    yield client
    await client.aclose()


@asynccontextmanager
async def following(valkeys: Valkey, *topics: str) -> AsyncIterator[Following]:
    one = Following(Broker(valkeys, lambda: one.note_gap()))
    await one.broker.open()
    tasks = [asyncio.create_task(one.broker.follow(topic, one.heard.append)) for topic in topics]
    try:
        assert await eventually(lambda: one.broker.connected)
        yield one
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await one.broker.close()


async def test_topics_of_all_primaries_are_heard(
    valkeys: Valkey, valkey_cluster: ValkeyCluster
) -> None:
    topics = [f"topic {number}" for number in range(12)]
    assert len({valkey_cluster.primary_of(topic).port for topic in topics}) == PRIMARIES
    async with following(valkeys, *topics) as one:
        for topic in topics:
            await one.hears(topic, topic.encode())

        assert await one.broker.publish(["nobody's", topics[0]], b"x") == [0, 1]
        assert one.gaps == 0


async def test_a_slot_that_moves_is_a_gap_and_the_topic_is_heard_at_its_new_primary(
    valkeys: Valkey, valkey_cluster: ValkeyCluster
) -> None:
    topic = ids.new_id()
    async with following(valkeys, topic) as one:
        await one.hears(topic, b"before")

        valkey_cluster.move_slot(topic)

        await eventually(lambda: one.gaps >= 1)
        await one.hears(topic, b"after")
        assert await one.broker.publish([topic], b"counted") == [1]


async def test_a_primary_that_is_killed_is_a_gap_and_the_topic_is_heard_at_its_replica(
    valkeys: Valkey, valkey_cluster: ValkeyCluster
) -> None:
    topic = ids.new_id()
    async with following(valkeys, topic) as one:
        await one.hears(topic, b"before")

        with valkey_cluster.killed(valkey_cluster.primary_of(topic)):
            await eventually(lambda: one.gaps >= 1)
            await one.hears(topic, b"after")
            assert await one.broker.publish([topic], b"counted") == [1]


async def test_a_primary_that_becomes_a_replica_is_left_for_the_new_one(
    server: Server, other_server: Server, valkey_cluster: ValkeyCluster
) -> None:
    """It goes on hearing the topic there, but those who publish would be told that nobody does."""
    node, other = (each.app._process.node for each in (server, other_server))
    topic = topic_of(node.id)
    primary = valkey_cluster.primary_of(topic)
    await eventually(valkey_cluster.is_whole)

    valkey_cluster.replica_of(primary).command("CLUSTER", "FAILOVER")

    async def is_reached() -> bool:
        if valkey_cluster.primary_of(topic) is primary:
            return False
        try:
            return await other.publish({node.id: []}) == set()
        except AWAY:
            return False

    await eventually(is_reached)
