"""Leases on real Valkey: a node's users go with it, by Valkey's clock."""

import time
from collections.abc import AsyncIterator

import pytest_asyncio
from redis.asyncio import Redis

from parley.embedded import EmbeddedServers
from subscriptions.presence.leases import AT_ONCE, DeadNode, Leases
from tests.waiting import eventually

LONG_S, SHORT_S = 60.0, 0.15
# Valkey's clock is read in milliseconds.
ROUNDED_S = 0.002


@pytest_asyncio.fixture
async def valkey(embedded: EmbeddedServers) -> AsyncIterator[Redis]:
    """Of a database of its own, where no node buries."""
    client = Redis.from_url(embedded.redis_url.removesuffix("0") + "1")
    await client.flushdb()
    yield client
    await client.aclose()


async def opened(valkey: Redis, node_id: str, life_s: float = LONG_S) -> Leases:
    leases = Leases(valkey, node_id)
    await leases.take(life_s)
    return leases


async def online(leases: Leases, *user_ids: str) -> set[str]:
    return (await leases.look_up(user_ids)).users


async def ended(leases: Leases, *user_ids: str) -> None:
    async def are_offline() -> bool:
        return not await online(leases, *user_ids)

    await eventually(are_offline)


async def find_dead(leases: Leases) -> DeadNode:
    (node,) = await eventually(lambda: leases.list_dead(60))
    return node


async def test_who_comes_online_and_who_goes_is_said_once(valkey: Redis) -> None:
    one, other = await opened(valkey, "one"), await opened(valkey, "other")

    assert await one.hold(["ada", "bea"]) == ["ada", "bea"]
    assert await one.hold(["ada"]) == []
    assert await other.hold(["ada", "cleo"]) == ["cleo"]
    assert await online(one, "ada", "bea", "cleo", "dora") == {"ada", "bea", "cleo"}

    assert await one.let_go(["ada", "bea"]) == ["bea"]
    assert await online(other, "ada", "bea", "cleo") == {"ada", "cleo"}
    assert await other.let_go(["ada", "cleo"]) == ["ada", "cleo"]


async def test_a_lease_that_ends_takes_its_users_with_it(valkey: Redis) -> None:
    one, other = await opened(valkey, "one", SHORT_S), await opened(valkey, "other")
    await one.hold(["ada", "bea"])
    await other.hold(["bea"])

    await ended(one, "ada")

    assert await online(one, "ada", "bea") == {"bea"}
    assert not await one.renew(SHORT_S)
    # They were not online just before, though their entries are there.
    assert await other.hold(["ada"]) == ["ada"]


async def test_until_it_is_buried_a_dead_node_may_count_for_a_while(valkey: Redis) -> None:
    one, other = await opened(valkey, "one", SHORT_S), await opened(valkey, "other")
    await one.hold(["ada"])
    await ended(one, "ada")

    assert (await other.look_up(["ada"], burial_s=LONG_S)).users == {"ada"}

    async def is_over() -> bool:
        return not (await other.look_up(["ada"], burial_s=SHORT_S)).users

    await eventually(is_over)
    await other.bury(await find_dead(other), ["ada"])
    assert not (await other.look_up(["ada"], burial_s=LONG_S)).users


async def test_a_dead_node_is_given_to_one_to_bury(valkey: Redis) -> None:
    one, other = await opened(valkey, "one"), await opened(valkey, "other")
    await one.hold(["ada", "bea"])
    await other.hold(["bea"])
    assert await other.list_dead(60) == []
    began = time.monotonic()
    await one.take(SHORT_S)

    node = await find_dead(other)

    assert node.id == "one"
    assert SHORT_S <= node.renewed_s <= time.monotonic() - began + ROUNDED_S
    assert await other.list_dead(60) == []
    users = await other.list_some_of(node)
    assert sorted(users) == ["ada", "bea"]
    assert await other.bury(node, users) == ["ada"]
    assert await other.list_some_of(node) == []
    await other.forget(node)
    await valkey.delete("parley:{presence}:node:one:burying")
    assert await other.list_dead(60) == []


async def test_a_node_that_came_back_is_not_buried(valkey: Redis) -> None:
    one, other = await opened(valkey, "one", SHORT_S), await opened(valkey, "other")
    await one.hold(["ada"])
    node = await find_dead(other)

    await one.take(LONG_S)

    assert await other.bury(node, ["ada"]) is None
    assert await online(other, "ada") == {"ada"}


async def test_a_node_knows_what_valkey_has_of_it(valkey: Redis) -> None:
    one = await opened(valkey, "one")
    users = [f"user-{n}" for n in range(2 * AT_ONCE + 1)]

    assert await one.hold(users) == users
    assert await one.list_own() == set(users)
    assert await online(one, *users) == set(users)
    assert await one.let_go(users) == users
    assert await one.list_own() == set()


async def test_it_is_known_since_when_valkey_has_kept_it(valkey: Redis) -> None:
    one = await opened(valkey, "one")

    async def has_kept_it() -> bool:
        return (await one.look_up(["ada"])).kept_s > SHORT_S

    await eventually(has_kept_it)
    await valkey.flushdb()

    assert (await one.look_up(["ada"])).kept_s < SHORT_S
