"""The registry in Valkey: which nodes hold a user's feeds, and which nodes live.

One hash maps a user to the ids of the nodes that hold feeds of theirs; an entry counts only while
the node's own key lives. Losing all of it is repaired by the nodes, which register their users
again.
"""

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

LEASE_MS = 10_000

# All keys of a shard share a hash tag, so that a script may use them together on a cluster.
_TAG = "parley:{registry}:"

# KEYS: users hash. ARGV: node id, node key prefix, user ids. Writes the node into each user's
# entry.
_ADD = """
for i = 2, #ARGV do
  local nodes = redis.call('HGET', KEYS[1], ARGV[i])
  if not nodes then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[1])
  elseif not string.find(nodes, ARGV[1], 1, true) then
    redis.call('HSET', KEYS[1], ARGV[i], nodes .. ' ' .. ARGV[1])
  end
end
return #ARGV - 1
"""

_REMOVE = """
for i = 2, #ARGV do
  local nodes = redis.call('HGET', KEYS[1], ARGV[i])
  if nodes then
    local left = {}
    for node in string.gmatch(nodes, '%S+') do
      if node ~= ARGV[1] then left[#left + 1] = node end
    end
    if #left == 0 then
      redis.call('HDEL', KEYS[1], ARGV[i])
    else
      redis.call('HSET', KEYS[1], ARGV[i], table.concat(left, ' '))
    end
  end
end
return #ARGV - 1
"""

# ARGV: node key prefix, user ids. For each user the living nodes; entries of dead nodes are taken
# out on the way.
_LOOK_UP = """
local found, alive = {}, {}
for i = 2, #ARGV do
  local nodes = redis.call('HGET', KEYS[1], ARGV[i])
  local living = {}
  if nodes then
    local dead = false
    for node in string.gmatch(nodes, '%S+') do
      if alive[node] == nil then alive[node] = redis.call('EXISTS', ARGV[1] .. node) == 1 end
      if alive[node] then living[#living + 1] = node else dead = true end
    end
    if dead then
      if #living == 0 then
        redis.call('HDEL', KEYS[1], ARGV[i])
      else
        redis.call('HSET', KEYS[1], ARGV[i], table.concat(living, ' '))
      end
    end
  end
  found[i - 1] = table.concat(living, ' ')
end
return found
"""


class Registry:
    """Raises what redis-py raises when Valkey is away; callers decide what that means."""

    def __init__(
        self, valkey: Redis, node_id: str, *, tag: str = _TAG, name: str = "users"
    ) -> None:
        self._valkey = valkey
        self._node_id = node_id
        self._node_prefix = tag + "node:"
        self._users = tag + name
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
        """For each user the ids of the living nodes that hold feeds of theirs."""
        found = await self._look_up(keys=[self._users], args=[self._node_prefix, *user_ids])
        return [nodes.decode().split() if nodes else [] for nodes in found]

    async def take_lease(self) -> None:
        await self._valkey.set(self._node_prefix + self._node_id, 1, px=LEASE_MS)

    async def renew_lease(self) -> bool:
        """Whether the lease was still there to be renewed."""
        return bool(
            await self._valkey.set(self._node_prefix + self._node_id, 1, px=LEASE_MS, xx=True)
        )

    async def end_lease(self) -> None:
        await self._valkey.delete(self._node_prefix + self._node_id)
