"""The registry in Valkey: which nodes hold a user's feeds, and which nodes live.

One hash maps a user to the ids of the nodes that hold feeds of theirs; an entry counts only while
the node's own key lives. Losing any of it is repaired by the nodes, which register their users
again: a node that renews its lease looks whether its mark is still in the hash.
"""

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from subscriptions.scripts import read_script

LEASE_MS = 10_000

# All keys of a shard share a hash tag, so that a script may use them together on a cluster.
TAG = "parley:{registry}:"
NODE_PREFIX = TAG + "node:"

_LEASE = read_script("marks", "registry_lease")
_ADD = read_script("registry_add")
_REMOVE = read_script("registry_remove")
_LOOK_UP = read_script("registry_look_up")


class Registry:
    """Register the users of one node, and look up the nodes of any. Raises what redis-py raises
    when Valkey is away; callers decide what that means.
    """

    def __init__(self, valkey: Redis, node_id: str, *, tag: str = TAG, name: str = "users") -> None:
        self._valkey = valkey
        self._node_id = node_id
        self._node_prefix = tag + "node:"
        self._users = tag + name
        self._lease: Any = valkey.register_script(_LEASE)
        self._add: Any = valkey.register_script(_ADD)
        self._remove: Any = valkey.register_script(_REMOVE)
        self._look_up: Any = valkey.register_script(_LOOK_UP)

    async def add(self, user_ids: Sequence[str]) -> None:
        for start in range(0, len(user_ids), 1000):
            await self._add(
                keys=[self._users], args=[self._node_id, *user_ids[start : start + 1000]]
            )

    async def remove(self, user_ids: Sequence[str]) -> None:
        for start in range(0, len(user_ids), 1000):
            await self._remove(
                keys=[self._users], args=[self._node_id, *user_ids[start : start + 1000]]
            )

    async def look_up(self, user_ids: Sequence[str]) -> list[list[str]]:
        """Return for each user the ids of the living nodes that hold feeds of theirs."""
        found = await self._look_up(keys=[self._users], args=[self._node_prefix, *user_ids])
        return [nodes.decode().split() if nodes else [] for nodes in found]

    async def take_lease(self) -> None:
        """Begin the lease, and mark this node as one whose users are in the hash."""
        await self._hold_lease(renew=False)

    async def renew_lease(self) -> bool:
        """Return whether the lease, and the hash with this node's mark, were still there."""
        return await self._hold_lease(renew=True)

    async def _hold_lease(self, *, renew: bool) -> bool:
        keys = [self._users, self._node_prefix + self._node_id]
        args = [self._node_id, LEASE_MS, self._node_prefix, int(renew)]
        return bool(await self._lease(keys=keys, args=args))

    async def end_lease(self) -> None:
        await self._valkey.delete(self._node_prefix + self._node_id)
