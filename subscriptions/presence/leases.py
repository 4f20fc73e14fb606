"""Leases in Valkey: which nodes hold a user online. A hold counts while its node's lease lives.

Nothing has to be deleted for somebody to go offline: a node that dies takes its users with it when
its lease ends, by Valkey's clock. What such a node leaves behind is listed for whoever buries it,
who also notes when its users were last seen.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from subscriptions.scripts import read_script

# All keys of a shard share a hash tag, so that a script may use them together on a cluster.
TAG = "parley:{presence}:"
# Users of one call: a script keeps Valkey busy for less than a millisecond.
AT_ONCE = 500

_RENEW = read_script("leases", "marks", "leases_renew")
_HOLD = read_script("leases", "leases_hold")
_LET_GO = read_script("leases", "leases_let_go")
_LOOK_UP = read_script("leases", "leases_look_up")
_FIND_DEAD = read_script("leases", "leases_find_dead")
_LIST = read_script("leases", "leases_list")


class DeadNode(msgspec.Struct, frozen=True):
    """Name a node that died; `renewed_s` seconds ago it renewed its lease, so it lived then."""

    id: str
    renewed_s: float


class Held(msgspec.Struct, frozen=True):
    """Say who of those asked for is held. Valkey lost everything `kept_s` seconds ago, and has kept
    everything since.
    """

    users: set[str]
    kept_s: float


class Leases:
    """Hold and look up users for one node. Raises what redis-py raises when Valkey is away."""

    def __init__(self, valkey: Redis, node_id: str) -> None:
        self._node_id = node_id
        self._keys = [TAG + name for name in ("users", "nodes", "renewed", "since")]
        self._scripts: dict[str, Any] = {
            text: valkey.register_script(text)
            for text in (_RENEW, _HOLD, _LET_GO, _LOOK_UP, _FIND_DEAD, _LIST)
        }

    async def _run(self, script: str, node_id: str, *args: object) -> Any:
        prefixes = (TAG + "node:", TAG + "of:")
        return await self._scripts[script](keys=self._keys, args=[*prefixes, node_id, *args])

    # ---------------------------------------------------------------- this node

    async def take(self, life_s: float) -> None:
        """Begin the lease, or set its end."""
        await self._run(_RENEW, self._node_id, _ms(life_s), 0)

    async def renew(self, life_s: float) -> bool:
        """Return whether it was still there to be renewed, and what this node holds with it."""
        return bool(await self._run(_RENEW, self._node_id, _ms(life_s), 1))

    async def hold(self, user_ids: Sequence[str]) -> list[str]:
        """Hold users online; return those who were offline before."""
        return await self._in_pieces(_HOLD, self._node_id, (), user_ids)

    async def let_go(self, user_ids: Sequence[str]) -> list[str]:
        """Hold users no longer; return those who are now offline."""
        return await self._in_pieces(_LET_GO, self._node_id, (0,), user_ids)

    async def list_own(self) -> set[str]:
        """Return the users that this node holds according to Valkey."""
        members = await self._run(_LIST, self._node_id, 0)
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
        """Return who is held. A node whose lease has ended counts for `burial_s` more seconds,
        unless somebody buried it.
        """
        held: set[str] = set()
        kept_s = float("inf")
        for start in range(0, len(user_ids), AT_ONCE):
            piece = user_ids[start : start + AT_ONCE]
            kept_ms, marks = await self._run(_LOOK_UP, "", int(burial_s * 1000), *piece)
            held.update(user for user, mark in zip(piece, marks, strict=True) if mark == ord("1"))
            kept_s = min(kept_s, kept_ms / 1000)
        return Held(held, kept_s)

    async def find_dead(self, busy_s: float) -> DeadNode | None:
        """Return a node that died with users, for this process to bury, or None. No other process
        is given it for `busy_s` seconds.
        """
        found = await self._run(_FIND_DEAD, "", _ms(busy_s))
        return None if not found else DeadNode(found[0].decode(), found[1] / 1000)

    async def list_some_of(self, node: DeadNode) -> list[str]:
        """Return at most `AT_ONCE` of the users that it held."""
        members = await self._run(_LIST, node.id, AT_ONCE)
        return [member.decode() for member in members]

    async def bury(self, node: DeadNode, user_ids: Sequence[str]) -> list[str] | None:
        """Forget that the node held these users (at most `AT_ONCE`); return those who are now
        offline, or None if the node came back.
        """
        gone = await self._run(_LET_GO, node.id, 1, *user_ids)
        return None if gone is None else [user_id.decode() for user_id in gone]

    async def forget(self, node: DeadNode) -> None:
        """Forget a node that holds nobody any more."""
        await self._run(_LET_GO, node.id, 1)


def _ms(seconds: float) -> int:
    return max(1, int(seconds * 1000))
