"""What many share, divided over the groups of a cluster: found, held and counted as on one Valkey,
whichever primaries have it.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from models import ids
from models.background import Loops
from models.limits.buckets import Given, OwnBuckets, Wanted, rate_of
from models.limits.limits import Budget, Limits
from models.refusals import Refused
from subscriptions.buckets import BUCKETS
from subscriptions.connections import Connections, Owner
from subscriptions.nodes.opening import open_valkey
from subscriptions.nodes.registry import Registry
from subscriptions.presence.leases import Leases
from subscriptions.scripts import GROUPS, Call, Groups, Script, Valkey
from tests.cluster.servers import PRIMARIES, ValkeyCluster
from tests.waiting import eventually

MANY = 500


@pytest_asyncio.fixture
async def valkeys(valkey_cluster: ValkeyCluster) -> AsyncIterator[Valkey]:
    client = open_valkey(valkey_cluster.url)
    yield client
    await client.aclose()


def new_ids(count: int) -> list[str]:
    return [ids.new_id() for _ in range(count)]


async def living(valkeys: Valkey) -> tuple[str, Registry]:
    node_id = ids.new_id()
    registry = Registry(valkeys, node_id)
    await registry.take_lease()
    return node_id, registry


async def test_keys_spread_over_all_groups_and_all_primaries(
    valkeys: Valkey, valkey_cluster: ValkeyCluster
) -> None:
    groups = Groups(valkeys, "registry")

    found = dict(groups.divide(new_ids(20 * GROUPS)))

    assert len(found) == GROUPS
    assert max(map(len, found.values())) < 3 * 20
    assert len({valkey_cluster.primary_of(tag).port for tag in found}) == PRIMARIES


async def test_users_of_all_groups_are_found_at_their_nodes(valkeys: Valkey) -> None:
    users = new_ids(MANY)
    (one_id, one), (other_id, other) = await living(valkeys), await living(valkeys)

    await asyncio.gather(one.add(users), other.add(users[:100]))
    await one.remove(users[-100:])

    found = await one.look_up(users)
    assert [sorted(nodes) for nodes in found] == (
        [sorted([one_id, other_id])] * 100 + [[one_id]] * 300 + [[]] * 100
    )
    await other.end_lease()
    assert await one.look_up(users[:200]) == [[one_id]] * 200


@pytest.mark.parametrize("lost", ["users", "lease"])
async def test_a_node_knows_of_a_loss_in_one_group(valkeys: Valkey, lost: str) -> None:
    node_id, registry = await living(valkeys)
    assert await registry.renew_lease()
    tag = Groups(valkeys, "registry").tag_of(ids.new_id())

    await valkeys.delete(tag + "users" if lost == "users" else f"{tag}node:{node_id}")

    assert not await registry.renew_lease()
    await registry.take_lease()
    assert await registry.renew_lease()


async def test_a_dead_node_is_buried_in_every_group(valkeys: Valkey) -> None:
    users = new_ids(MANY)
    one, dead = Leases(valkeys, ids.new_id()), Leases(valkeys, dead_id := ids.new_id())
    await one.take(60)
    await dead.take(0.2)
    assert sorted(await dead.hold(users)) == sorted(users)
    assert await dead.list_own() == set(users)
    gone: list[str] = []

    async def are_buried() -> bool:
        for node in await one.list_dead(60):
            if node.id == dead_id:
                gone.extend(await one.bury(node, await one.list_some_of(node)) or ())
                await one.forget(node)
        return len(gone) == len(users)

    await eventually(are_buried)
    assert sorted(gone) == sorted(users)
    assert (await one.look_up(users)).users == set()


async def test_connections_are_counted_over_nodes_whatever_groups_their_owners_are_in(
    valkeys: Valkey,
) -> None:
    limits = Limits(connections_per_user=3, connections_per_address=20)
    nodes = []
    for _ in range(2):
        node_id, _ = await living(valkeys)
        nodes.append(Connections(valkeys, node_id, limits, Loops()))
        nodes[-1].start()
    address = Owner("connections_per_address", ids.new_id())
    users = [Owner("connections_per_user", user_id) for user_id in new_ids(6)]

    taken = await asyncio.gather(
        *(node.take((user, address)) for user in users for node in nodes for _ in range(2)),
        return_exceptions=True,
    )

    # Two at one node, so that the other may have one more of each user; and 20 of the address.
    refused = [each for each in taken if isinstance(each, Refused)]
    held = [sum(node.held(user) for node in nodes) for user in users]
    assert len(taken) - len(refused) == sum(held) == sum(node.held(address) for node in nodes)
    assert max(held) <= 4
    for node in nodes:
        await node.close()


async def test_tokens_are_taken_of_buckets_in_all_groups(valkeys: Valkey) -> None:
    groups, script = Groups(valkeys, BUCKETS), Script(valkeys, "take_tokens")
    rate = rate_of(Budget(amount=60, window_s=3600))
    wanted = [Wanted(key, rate, 0, 10) for key in new_ids(MANY)]
    pieces = groups.divide(want.key for want in wanted)

    answers = await script.run_all(
        [Call([tag], ["\n".join(f"{key} 60 3600 0 10" for key in keys)]) for tag, keys in pieces]
    )

    given = [
        Given(a[0], a[1] / 1000)
        for answer in answers
        for a in zip(answer[::2], answer[1::2], strict=True)
    ]
    assert given == OwnBuckets(now=lambda: 0.0).give(wanted)


async def test_scripts_are_there_again_after_the_cluster_forgot_them(
    valkeys: Valkey, valkey_cluster: ValkeyCluster
) -> None:
    node_id, registry = await living(valkeys)
    users = new_ids(MANY)
    await registry.add(users)

    for server in valkey_cluster.servers:
        server.command("SCRIPT", "FLUSH")

    assert await registry.look_up(users) == [[node_id]] * MANY
