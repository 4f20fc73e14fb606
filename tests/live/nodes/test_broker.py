"""The broker on real Valkey: a message may be lost, but never without notice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest_asyncio
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from parley.embedded import EmbeddedServers
from parley.ports import free_port
from subscriptions.nodes.broker import Broker
from tests.waiting import eventually

NAME = "test_broker"


@dataclass(slots=True)
class Node:
    """A broker, and how often it told of a gap."""

    broker: Broker
    gaps: int = 0

    def note_gap(self) -> None:
        self.gaps += 1


@pytest_asyncio.fixture
async def valkey(embedded: EmbeddedServers) -> AsyncIterator[Redis]:
    """By their name its connections are told from those of the nodes."""
    client = Redis.from_url(
        embedded.redis_url, client_name=NAME, retry=Retry(NoBackoff(), 1), socket_timeout=2
    )
    yield client
    await client.aclose()


@asynccontextmanager
async def opened(valkey: Redis) -> AsyncIterator[Node]:
    node = Node(Broker(valkey, lambda: node.note_gap()))
    await node.broker.open()
    try:
        yield node
    finally:
        await node.broker.close()


@asynccontextmanager
async def following(node: Node, topic: str) -> AsyncIterator[list[bytes]]:
    heard: list[bytes] = []
    task = asyncio.create_task(node.broker.follow(topic, heard.append))
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def subscriber_ids(valkey: Redis) -> list[str]:
    clients = await valkey.client_list(_type="pubsub")
    return [client["id"] for client in clients if client["name"] == NAME]


async def reaches(node: Node, topic: str, message: bytes) -> bool:
    return await node.broker.publish([topic], message) == [1]


async def test_everybody_who_follows_a_topic_at_once_hears_it(valkey: Redis) -> None:
    async with opened(valkey) as node, opened(valkey) as other:
        heard: list[list[bytes]] = [[] for _ in range(50)]
        tasks = [asyncio.create_task(node.broker.follow("t", one.append)) for one in heard]
        await eventually(lambda: reaches(other, "t", b"first"))

        await eventually(lambda: all(one[-1:] == [b"first"] for one in heard))
        await other.broker.publish(["t"], b"second")

        await eventually(lambda: all(one[-1] == b"second" for one in heard))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert node.gaps == 0


async def test_one_publish_says_whom_of_several_topics_it_reached(valkey: Redis) -> None:
    async with opened(valkey) as node, following(node, "here") as heard:
        await eventually(lambda: reaches(node, "here", b"x"))

        assert await node.broker.publish(["here", "nobody's"], b"y") == [1, 0]

        await eventually(lambda: heard[-1] == b"y")


async def test_a_killed_connection_is_a_gap_and_the_topic_is_heard_again(valkey: Redis) -> None:
    async with opened(valkey) as node, following(node, "t") as heard:
        await eventually(lambda: reaches(node, "t", b"before"))

        for _ in range(3):
            node.gaps = 0
            (client_id,) = await eventually(lambda: subscriber_ids(valkey))
            await valkey.client_kill_filter(_id=client_id)

            await eventually(lambda: node.gaps == 1)
            heard.clear()
            assert await node.broker.publish(["t"], b"after") == [1]
            await eventually(lambda: heard == [b"after"])


async def test_a_connection_that_is_begun_anew_is_a_gap(valkey: Redis) -> None:
    """As after a silence in which it may have died without a sign."""
    async with opened(valkey) as node, following(node, "t") as heard:
        await eventually(lambda: reaches(node, "t", b"before"))
        (old_id,) = await subscriber_ids(valkey)

        node.broker.reconnect()

        await eventually(lambda: node.gaps == 1)
        assert await subscriber_ids(valkey) != [old_id]
        assert await node.broker.publish(["t"], b"after") == [1]
        await eventually(lambda: heard[-1] == b"after")


async def test_a_topic_that_is_let_go_while_valkey_is_away_leaves_the_reader_at_rest() -> None:
    """As at a deploy meanwhile: the reader must not spin, for then nothing else runs."""
    nowhere = Redis(port=free_port(), retry=Retry(NoBackoff(), 0))
    async with opened(nowhere) as node:
        async with following(node, "t"):
            assert not await node.broker.wait_connected(0.1)

        assert not await node.broker.wait_connected(1)
    await nowhere.aclose()
