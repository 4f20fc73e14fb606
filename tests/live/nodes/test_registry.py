"""The registry's scripts on real Valkey: where a user is, as long as the node lives."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio
from redis.asyncio import Redis

from parley.embedded import EmbeddedServers
from subscriptions.nodes.registry import Registry


@pytest_asyncio.fixture
async def valkey(embedded: EmbeddedServers) -> AsyncIterator[Redis]:
    """A database of its own, so that the nodes' registry stays."""
    client = Redis.from_url(embedded.redis_url.removesuffix("0") + "3")
    await client.flushdb()
    yield client
    await client.aclose()


async def living(valkey: Redis, node_id: str) -> Registry:
    registry = Registry(valkey, node_id)
    await registry.take_lease()
    return registry


async def test_says_which_living_nodes_hold_each_user(valkey: Redis) -> None:
    one, other = await living(valkey, "one"), await living(valkey, "other")

    await one.add(["ann", "bob"])
    await other.add(["bob"])

    assert await one.look_up(["ann", "bob", "cid"]) == [["one"], ["one", "other"], []]


async def test_adding_again_changes_nothing(valkey: Redis) -> None:
    one = await living(valkey, "one")

    await asyncio.gather(*(one.add(["ann"]) for _ in range(20)))

    assert await one.look_up(["ann"]) == [["one"]]


async def test_a_node_takes_out_only_itself(valkey: Redis) -> None:
    one, other = await living(valkey, "one"), await living(valkey, "other")
    await one.add(["ann", "bob"])
    await other.add(["ann"])

    await one.remove(["ann", "bob", "cid"])

    assert await one.look_up(["ann", "bob"]) == [["other"], []]


async def test_a_node_whose_lease_ended_holds_nobody_and_is_forgotten(valkey: Redis) -> None:
    one, dead = await living(valkey, "one"), await living(valkey, "dead")
    await one.add(["ann"])
    await dead.add(["ann", "bob"])
    await dead.end_lease()

    assert await one.look_up(["ann", "bob"]) == [["one"], []]

    await dead.take_lease()
    assert await one.look_up(["ann", "bob"]) == [["one"], []]


async def test_a_lease_is_renewed_only_while_it_is_there(valkey: Redis) -> None:
    one = await living(valkey, "one")
    assert await one.renew_lease()

    await valkey.flushdb()

    assert not await one.renew_lease()
    await one.take_lease()
    assert await one.renew_lease()


async def test_thousands_are_added_and_removed_at_once(valkey: Redis) -> None:
    one = await living(valkey, "one")
    users = [f"user {n}" for n in range(2500)]

    await one.add(users)
    assert await one.look_up(users) == [["one"]] * 2500

    await one.remove(users)
    assert await one.look_up(users) == [[]] * 2500


async def test_scripts_are_there_again_after_valkey_forgot_them(valkey: Redis) -> None:
    one = await living(valkey, "one")
    await one.add(["ann"])

    await valkey.script_flush()

    await one.add(["bob"])
    assert await one.look_up(["ann", "bob"]) == [["one"], ["one"]]
