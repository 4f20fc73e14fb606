"""A node that gets what it cannot read, as from nodes of another revision: it goes on, says so, and
makes up for it from PostgreSQL.
"""

from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from models import ids
from models.log.committer import Committer
from models.log.outbox import list_unsettled_batches, settle_batches
from models.postgresql.database import Database
from parley.settings import Settings
from subscriptions.nodes.messages import NEWEST
from subscriptions.nodes.node import Node, topic_of
from tests.client import added, until
from tests.live.presence.test_typing import INBOX, SET_TYPING
from tests.make import Person, write_history
from tests.serving import Server
from tests.waiting import eventually

VERSION = bytes([NEWEST])
UNREADABLE = {
    "garbage": b"\xff\x00 garbage",
    "nothing": b"",
    "before there were versions": b"B" + msgspec.msgpack.encode([]),
    "a later version": b"\x7fB" + msgspec.msgpack.encode([]),
    "a later kind": VERSION + b"Z",
    "a batch of another shape": VERSION + b"B" + msgspec.msgpack.encode([{"entries": 7}]),
    "an unknown signal": VERSION
    + b"S"
    + msgspec.msgpack.encode([{"signal": {"type": "poll"}, "user_ids": []}]),
    "cut": VERSION + b"B" + b"\x92",
}


@pytest_asyncio.fixture
async def valkey(settings: Settings) -> AsyncIterator[Redis]:
    assert settings.redis_url is not None
    client = Redis.from_url(settings.redis_url)
    yield client
    await client.aclose()


def node_of(server: Server) -> Node:
    return server.app._process.node


def unreadable_at(server: Server) -> int:
    return server.app._process.loops.failures["node_messages", "unexpected"]


async def write_as_if_dispatched(
    committer: Committer, database: Database, sender: Person, chat: str
) -> None:
    """As when the one message that carried it could not be read: no relay passes it on."""
    await write_history(committer, sender, chat, 1)
    batches = await list_unsettled_batches(database, older_than_s=0, most=10)
    await settle_batches(database, [(b.outbox_channel_id, b.outbox_id) for b in batches])


@pytest.mark.parametrize("message", ["a later version", "a batch of another shape"])
async def test_what_a_message_carried_comes_from_the_outbox_and_the_node_hears_on(
    alice: Person,
    bob: Person,
    chat: str,
    other_server: Server,
    database: Database,
    committer: Committer,
    valkey: Redis,
    message: str,
) -> None:
    counted = unreadable_at(other_server)
    async with bob.at(other_server).follow(INBOX) as stream:
        await until(stream, "InboxReady")

        await write_as_if_dispatched(committer, database, alice, chat)
        assert await valkey.publish(topic_of(node_of(other_server).id), UNREADABLE[message]) == 1

        assert (await added(stream))["seq"] == 1
        # Signals may have been lost, so clients are to fetch what is in no log.
        await until(stream, "InboxReady")
        await alice.say(chat, "2")
        await until(stream, "MessageAdded")

    assert unreadable_at(other_server) == counted + 1


async def test_a_node_hears_on_whatever_came(
    alice: Person, bob: Person, chat: str, other_server: Server, valkey: Redis
) -> None:
    counted = unreadable_at(other_server)
    async with bob.at(other_server).follow(INBOX) as stream:
        await until(stream, "InboxReady")

        for message in UNREADABLE.values():
            assert await valkey.publish(topic_of(node_of(other_server).id), message) == 1

        await alice.mutate(SET_TYPING, id=chat, typing=True)
        await until(stream, "TypingUpdated")
    assert unreadable_at(other_server) == counted + len(UNREADABLE)


async def test_the_readable_items_of_a_message_are_taken(
    alice: Person, bob: Person, chat: str, other_server: Server, valkey: Redis
) -> None:
    inner_id = ids.parse_plain("chn", chat)
    good = {"signal": {"type": "viewer"}, "user_ids": [bob.user.id]}
    bad = {"signal": {"type": "poll", "channel_id": inner_id}, "user_ids": [bob.user.id]}
    async with bob.at(other_server).follow("subscription { inbox { __typename } }") as stream:
        await until(stream, "InboxReady")

        content = msgspec.msgpack.encode([bad, good])
        await valkey.publish(topic_of(node_of(other_server).id), VERSION + b"S" + content)

        await until(stream, "ViewerUpdated")


async def test_many_unreadable_messages_are_a_few_repairs(
    bob: Person, other_server: Server, valkey: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """As for the time in which nodes of two revisions run side by side."""
    node = node_of(other_server)
    counted = unreadable_at(other_server)
    async with bob.at(other_server).follow(INBOX) as stream:
        await until(stream, "InboxReady")
        losses = node._losses

        for _ in range(500):
            await valkey.publish(topic_of(node.id), b"\x7f")
        await eventually(lambda: unreadable_at(other_server) == counted + 500)
        await until(stream, "InboxReady")

        assert node._losses - losses <= 3
        assert len([r for r in caplog.records if getattr(r, "loop", "") == "node_messages"]) <= 1
