"""Keys in Valkey of a type that Parley does not give them: replaced, and not taken for Valkey being
away, for ever.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from parley.embedded import EmbeddedServers
from parley.settings import Settings
from subscriptions.nodes.registry import Registry
from subscriptions.presence.leases import Leases
from subscriptions.scripts import read_script
from tests.client import added, until
from tests.live.presence.test_typing import INBOX, SET_TYPING, typed
from tests.make import Person
from tests.serving import Server
from tests.waiting import eventually

REGISTRY = "parley:{registry}:users"
PRESENCE = "parley:{presence}:"


@pytest_asyncio.fixture
async def valkey(embedded: EmbeddedServers) -> AsyncIterator[Redis]:
    """A database of its own."""
    client = Redis.from_url(embedded.redis_url.removesuffix("0") + "4")
    await client.flushdb()
    yield client
    await client.aclose()


@pytest_asyncio.fixture
async def nodes_valkey(settings: Settings) -> AsyncIterator[Redis]:
    """The database of the nodes."""
    assert settings.redis_url is not None
    client = Redis.from_url(settings.redis_url)
    yield client
    await client.aclose()


async def spoil(valkey: Redis, key: bytes | str, kind: str = "list") -> None:
    """Give the key a type that Parley gives none, or that it gives another key."""
    await valkey.delete(key)
    if kind == "list":
        await valkey.rpush(key, "spoilt")
    else:
        await valkey.set(key, "spoilt")


KINDS = pytest.mark.parametrize("kind", ["list", "string"])


# -------------------------------------------------------------------- where users are


@KINDS
@pytest.mark.parametrize("first", ["add", "remove", "look_up", "renew_lease"])
async def test_a_spoilt_registry_is_replaced_and_the_node_knows(
    valkey: Redis, kind: str, first: str
) -> None:
    one = Registry(valkey, "one")
    await one.take_lease()
    await one.add(["ann"])
    await spoil(valkey, REGISTRY, kind)

    await (one.renew_lease() if first == "renew_lease" else getattr(one, first)(["bob"]))

    assert not await one.renew_lease()
    await one.take_lease()
    await one.add(["ann"])
    assert await one.renew_lease()
    assert await one.look_up(["ann"]) == [["one"]]


@pytest.mark.parametrize("key", ["users", "node:one"])
async def test_a_spoilt_or_lost_lease_is_taken_again(valkey: Redis, key: str) -> None:
    one, other = Registry(valkey, "one"), Registry(valkey, "other")
    await one.take_lease()
    await other.take_lease()
    await valkey.delete("parley:{registry}:" + key)

    assert not await one.renew_lease()
    await one.take_lease()

    assert await one.renew_lease()
    assert await other.renew_lease() is (key == "node:one")


async def test_marks_of_dead_nodes_do_not_pile_up(valkey: Redis) -> None:
    for number in range(5):
        node = Registry(valkey, f"node {number}")
        await node.take_lease()
        await node.end_lease()

    assert await valkey.hget(REGISTRY, "nodes") == b"node 4"


@pytest.mark.parametrize("spoilt", ["list", "string", "deleted"])
async def test_a_node_whose_users_are_lost_in_valkey_registers_them_again(
    alice: Person,
    bob: Person,
    chat: str,
    other_server: Server,
    nodes_valkey: Redis,
    spoilt: str,
) -> None:
    async with bob.at(other_server).follow(INBOX) as stream:
        await until(stream, "InboxReady")

        if spoilt == "deleted":
            await nodes_valkey.delete(REGISTRY)
        else:
            await spoil(nodes_valkey, REGISTRY, spoilt)
        await alice.say(chat, "while nobody knows where Bob is")

        assert (await added(stream))["seq"] == 1
        # What is in no log is said to be fetched again, and is told from then on.
        await until(stream, "InboxReady")
        await alice.mutate(SET_TYPING, id=chat, typing=True)
        event = (await until(stream, "TypingUpdated"))[-1]
        assert {name: event[name] for name in typed(alice, chat)} == typed(alice, chat)


# -------------------------------------------------------------------- who is online


LEASE_KEYS = ["users", "nodes", "renewed", "since", "of:one", "node:one", "node:dead:burying"]


@KINDS
@pytest.mark.parametrize("key", LEASE_KEYS)
async def test_spoilt_keys_of_presence_are_replaced(valkey: Redis, kind: str, key: str) -> None:
    one = Leases(valkey, "one")
    await one.take(60)
    await one.hold(["ann", "bea"])
    await spoil(valkey, PRESENCE + key, kind)

    # In any order, as several processes would.
    await one.look_up(["ann"])
    await one.let_go(["bea"])
    await one.list_dead(1)
    await one.list_own()
    await one.renew(60)
    await one.take(60)
    await one.hold(["ann"])

    assert (await one.look_up(["ann", "bea"])).users == {"ann"}
    assert await one.list_own() == {"ann"}
    assert await one.renew(60)


@KINDS
async def test_a_node_knows_that_its_holds_are_lost(valkey: Redis, kind: str) -> None:
    one = Leases(valkey, "one")
    await one.take(60)
    await one.hold(["ann"])
    await spoil(valkey, PRESENCE + "users", kind)

    held = await one.look_up(["ann"])

    assert held.users == set()
    # Nobody is said to be offline before nodes have had the time to hold them again.
    assert held.kept_s < 1
    assert not await one.renew(60)


@KINDS
async def test_a_dead_node_is_buried_whatever_its_keys_are(valkey: Redis, kind: str) -> None:
    one, dead = Leases(valkey, "one"), Leases(valkey, "dead")
    await one.take(60)
    await dead.take(0.01)
    await dead.hold(["ann"])
    for key in ("node:dead:burying", "renewed"):
        await spoil(valkey, PRESENCE + key, "list")

    (node,) = await eventually(lambda: one.list_dead(1))

    assert await one.list_some_of(node) == ["ann"]
    assert await one.bury(node, ["ann"]) == ["ann"]


# -------------------------------------------------------------------- typing, tokens


@KINDS
async def test_a_spoilt_key_of_typing_is_replaced(
    alice: Person, bob: Person, chat: str, nodes_valkey: Redis, kind: str
) -> None:
    key = f"parley:typing:{{{chat.removeprefix('chn_')}}}:{alice.user.id}"
    await spoil(nodes_valkey, key, kind)

    async with bob.follow(INBOX) as stream:
        await until(stream, "InboxReady")
        await alice.mutate(SET_TYPING, id=chat, typing=True)
        await until(stream, "TypingUpdated")

    held = await nodes_valkey.get(key)
    assert str(held or "").strip("b'").startswith("1 ")


@KINDS
async def test_a_spoilt_bucket_is_replaced_by_a_full_one(valkey: Redis, kind: str) -> None:
    await spoil(valkey, "bucket", kind)
    take: Any = valkey.register_script(read_script("take_tokens"))

    answer = await take(keys=["buc"], args=["ket 60 60 0 10\nkety 60 60 0 10"])

    assert answer == [10, 50_000] * 2


@KINDS
async def test_a_spoilt_count_of_connections_begins_again(valkey: Redis, kind: str) -> None:
    await spoil(valkey, "owner", kind)
    hold: Any = valkey.register_script(read_script("hold_connections"))

    answers = [await hold(keys=["owner"], args=["one", "node:", 1000, 2, n, "1"]) for n in (0, 2)]

    assert answers == [[0], [1]]
    assert await valkey.hgetall("owner") == {b"one": b"2"}
