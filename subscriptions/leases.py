"""Leases in Valkey: which nodes hold a user online. A hold counts while its node's lease lives.

Nothing has to be deleted for somebody to go offline: a node that dies takes its users with it when
its lease ends, by Valkey's clock. What such a node leaves behind is listed for whoever buries it,
who also notes when its users were last seen.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

# All keys of a shard share a hash tag, so that a script may use them together on a cluster.
TAG = "parley:{presence}:"
# Users of one call: a script keeps Valkey busy for less than a millisecond.
AT_ONCE = 500

# In every script: KEYS nodes of each user, nodes by the end of their lease, when each node renewed
# it, since when Valkey has kept this; ARGV[1] prefix of the leases, ARGV[2] prefix of the sets of
# each node's users, ARGV[3] node id; then what is named.
_BEGIN = """
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local alive = {}
local function lives(node)
  if alive[node] == nil then alive[node] = redis.call('EXISTS', ARGV[1] .. node) == 1 end
  return alive[node]
end
local function has_living(nodes, besides)
  for node in string.gmatch(nodes, '%S+') do
    if node ~= besides and lives(node) then return true end
  end
  return false
end
"""

# Life of the lease in ms, 1 if it must be there still. Gives 0 if it was not.
_RENEW = (
    _BEGIN
    + """
if ARGV[5] == '1' and not lives(ARGV[3]) then return 0 end
local now = now_ms()
redis.call('SET', ARGV[1] .. ARGV[3], 1, 'PX', ARGV[4])
redis.call('ZADD', KEYS[2], now + ARGV[4], ARGV[3])
redis.call('HSET', KEYS[3], ARGV[3], now)
redis.call('SET', KEYS[4], now, 'NX')
return 1
"""
)

# User ids. Gives those who were held by no living node before.
_HOLD = (
    _BEGIN
    + """
local new = {}
for i = 4, #ARGV do
  local nodes = redis.call('HGET', KEYS[1], ARGV[i])
  if not nodes then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[3])
  elseif not string.find(nodes, ARGV[3], 1, true) then
    redis.call('HSET', KEYS[1], ARGV[i], nodes .. ' ' .. ARGV[3])
  end
  redis.call('SADD', ARGV[2] .. ARGV[3], ARGV[i])
  if not nodes or not has_living(nodes) then new[#new + 1] = ARGV[i] end
end
return new
"""
)

# 1 if only of a node that is dead, user ids. Gives those whom no living node holds any more; false
# if the node came back.
_LET_GO = (
    _BEGIN
    + """
if ARGV[4] == '1' and lives(ARGV[3]) then return false end
local gone = {}
for i = 5, #ARGV do
  local nodes = redis.call('HGET', KEYS[1], ARGV[i])
  if nodes then
    local left = {}
    for node in string.gmatch(nodes, '%S+') do
      if node ~= ARGV[3] then left[#left + 1] = node end
    end
    if #left == 0 then
      redis.call('HDEL', KEYS[1], ARGV[i])
    else
      redis.call('HSET', KEYS[1], ARGV[i], table.concat(left, ' '))
    end
  end
  redis.call('SREM', ARGV[2] .. ARGV[3], ARGV[i])
  if not nodes or not has_living(nodes, ARGV[3]) then gone[#gone + 1] = ARGV[i] end
end
if ARGV[4] == '1' and redis.call('EXISTS', ARGV[2] .. ARGV[3]) == 0 then
  redis.call('ZREM', KEYS[2], ARGV[3])
  redis.call('HDEL', KEYS[3], ARGV[3])
end
return gone
"""
)

# For how long after its lease a node that is not buried still counts, in ms; user ids. Gives since
# when Valkey has kept this, in ms, and a 0 or 1 for each user: whether a node holds them.
_LOOK_UP = (
    _BEGIN
    + """
local now = now_ms()
redis.call('SET', KEYS[4], now, 'NX')
local counts = {}
local function does_count(node)
  if counts[node] == nil then
    local ended = not lives(node) and redis.call('ZSCORE', KEYS[2], node)
    counts[node] = lives(node) or (ended and now - ended < tonumber(ARGV[4]))
  end
  return counts[node]
end
local held = {}
for i = 5, #ARGV do
  local mark = '0'
  for node in string.gmatch(redis.call('HGET', KEYS[1], ARGV[i]) or '', '%S+') do
    if does_count(node) then mark = '1' break end
  end
  held[i - 4] = mark
end
return {now - redis.call('GET', KEYS[4]), table.concat(held)}
"""
)

# For how long burying is one process's, in ms. Gives a dead node, and how long ago it renewed its
# lease, in ms.
_FIND_DEAD = (
    _BEGIN
    + """
local now = now_ms()
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 20)) do
  local lock = ARGV[1] .. node .. ':burying'
  if not lives(node) and redis.call('SET', lock, 1, 'NX', 'PX', ARGV[4]) then
    return {node, now - (redis.call('HGET', KEYS[3], node) or now)}
  end
end
return false
"""
)


class DeadNode(msgspec.Struct, frozen=True):
    """`renewed_s`: it renewed its lease so long ago, and lived."""

    id: str
    renewed_s: float


class Held(msgspec.Struct, frozen=True):
    """Who of those asked for is held. `kept_s`: for how long Valkey has kept all of it: it lost
    everything that long ago.
    """

    users: set[str]
    kept_s: float


class Leases:
    """One node's part in it. Raises what redis-py raises when Valkey is away."""

    def __init__(self, valkey: Redis, node_id: str) -> None:
        self._valkey = valkey
        self._node_id = node_id
        self._keys = [TAG + name for name in ("users", "nodes", "renewed", "since")]
        self._scripts: dict[str, Any] = {
            text: valkey.register_script(text)
            for text in (_RENEW, _HOLD, _LET_GO, _LOOK_UP, _FIND_DEAD)
        }

    async def _run(self, script: str, node_id: str, *args: object) -> Any:
        prefixes = (TAG + "node:", TAG + "of:")
        return await self._scripts[script](keys=self._keys, args=[*prefixes, node_id, *args])

    # ---------------------------------------------------------------- this node

    async def take(self, life_s: float) -> None:
        """Begin the lease, or set its end."""
        await self._run(_RENEW, self._node_id, _ms(life_s), 0)

    async def renew(self, life_s: float) -> bool:
        """Whether it was still there to be renewed."""
        return bool(await self._run(_RENEW, self._node_id, _ms(life_s), 1))

    async def hold(self, user_ids: Sequence[str]) -> list[str]:
        """Hold users online; those who were not."""
        return await self._in_pieces(_HOLD, self._node_id, (), user_ids)

    async def let_go(self, user_ids: Sequence[str]) -> list[str]:
        """Those who are now offline."""
        return await self._in_pieces(_LET_GO, self._node_id, (0,), user_ids)

    async def list_own(self) -> set[str]:
        """Whom this node holds, as Valkey has it."""
        members: Any = await self._valkey.smembers(TAG + "of:" + self._node_id)
        return {member.decode() for member in members}

    async def _in_pieces(
        self, script: str, node_id: str, first: Sequence[object], user_ids: Sequence[str]
    ) -> list[str]:
        found: list[bytes] = []
        for start in range(0, len(user_ids), AT_ONCE):
            piece = user_ids[start : start + AT_ONCE]
            found += await self._run(script, node_id, *first, *piece)
        return [user_id.decode() for user_id in found]

    # ---------------------------------------------------------------- all nodes

    async def look_up(self, user_ids: Sequence[str], *, burial_s: float = 0) -> Held:
        """Who is held. A node whose lease has ended counts for `burial_s`, if nobody buried it."""
        held: set[str] = set()
        kept_s = float("inf")
        for start in range(0, len(user_ids), AT_ONCE):
            piece = user_ids[start : start + AT_ONCE]
            kept_ms, marks = await self._run(_LOOK_UP, "", int(burial_s * 1000), *piece)
            held.update(user for user, mark in zip(piece, marks, strict=True) if mark == ord("1"))
            kept_s = min(kept_s, kept_ms / 1000)
        return Held(held, kept_s)

    async def find_dead(self, busy_s: float) -> DeadNode | None:
        """A node that died with users, for this process to bury; nobody else is given it for
        `busy_s`.
        """
        found = await self._run(_FIND_DEAD, "", _ms(busy_s))
        return None if not found else DeadNode(found[0].decode(), found[1] / 1000)

    async def list_some_of(self, node: DeadNode) -> list[str]:
        """At most `AT_ONCE` of those whom it held."""
        members: Any = await self._valkey.srandmember(TAG + "of:" + node.id, AT_ONCE)
        return [member.decode() for member in members]

    async def bury(self, node: DeadNode, user_ids: Sequence[str]) -> list[str] | None:
        """Forget that the node held these (at most `AT_ONCE`): those who are now offline. None if
        it came back.
        """
        gone = await self._run(_LET_GO, node.id, 1, *user_ids)
        return None if gone is None else [user_id.decode() for user_id in gone]

    async def forget(self, node: DeadNode) -> None:
        """It held nobody."""
        await self._run(_LET_GO, node.id, 1)


def _ms(seconds: float) -> int:
    return max(1, int(seconds * 1000))
