"""Leases in Valkey: which nodes hold a user online. A hold counts while its node's lease lives.

Nothing has to be deleted for somebody to go offline: a node that dies takes its users with it when
its lease ends, by Valkey's clock. What such a node leaves behind is listed for whoever buries it,
who also notes when its users were last seen.

On a cluster users are divided into 64 groups. A node has its lease in each, and is buried in each.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from subscriptions.nodes.messages import NEWEST
from subscriptions.scripts import Call, Groups, Script, Valkey

PRESENCE = "presence"
# Users of one call: a script keeps Valkey busy for less than a millisecond.
AT_ONCE = 500


class DeadNode(msgspec.Struct, frozen=True):
    """Name a node that died, and the group of its users (by its tag). `renewed_s` seconds ago it
    renewed its lease, so it lived then.
    """

    tag: str
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

    def __init__(self, valkey: Valkey, node_id: str) -> None:
        self._node_id = node_id
        self._groups = Groups(valkey, PRESENCE)
        self._renew = Script(valkey, "leases", "marks", "leases_renew")
        self._hold = Script(valkey, "leases", "leases_hold")
        self._let_go = Script(valkey, "leases", "leases_let_go")
        self._look_up = Script(valkey, "leases", "leases_look_up")
        self._find_dead = Script(valkey, "leases", "leases_find_dead")
        self._list = Script(valkey, "leases", "leases_list")

    async def _in_all(self, script: Script, node_id: str, *args: object) -> list[Any]:
        """Run a script in each group."""
        return await script.run_all([_call(tag, node_id, args) for tag in self._groups.tags])

    # ---------------------------------------------------------------- this node

    async def take(self, life_s: float) -> None:
        """Begin the lease, or set its end."""
        await self._in_all(self._renew, self._node_id, _ms(life_s), NEWEST, 0)

    async def renew(self, life_s: float) -> bool:
        """Return whether it was still there to be renewed, and what this node holds with it."""
        return all(await self._in_all(self._renew, self._node_id, _ms(life_s), NEWEST, 1))

    async def hold(self, user_ids: Sequence[str]) -> list[str]:
        """Hold users online; return those who were offline before."""
        return await self._in_pieces(self._hold, (), user_ids)

    async def let_go(self, user_ids: Sequence[str]) -> list[str]:
        """Hold users no longer; return those who are now offline."""
        return await self._in_pieces(self._let_go, (0,), user_ids)

    async def list_own(self) -> set[str]:
        """Return the users that this node holds according to Valkey."""
        found = await self._in_all(self._list, self._node_id, 0)
        return {member.decode() for members in found for member in members}

    async def _in_pieces(
        self, script: Script, first: Sequence[object], user_ids: Sequence[str]
    ) -> list[str]:
        pieces = self._groups.divide(user_ids, most=AT_ONCE)
        found = await script.run_all(
            [_call(tag, self._node_id, (*first, *of)) for tag, of in pieces]
        )
        return [user_id.decode() for users in found for user_id in users]

    # ---------------------------------------------------------------- all nodes

    async def look_up(self, user_ids: Sequence[str], *, burial_s: float = 0) -> Held:
        """Return who is held. A node whose lease has ended counts for `burial_s` more seconds,
        unless somebody buried it.
        """
        held: set[str] = set()
        kept_s = float("inf")
        pieces = self._groups.divide(user_ids, most=AT_ONCE)
        found = await self._look_up.run_all(
            [_call(tag, "", (int(burial_s * 1000), *of)) for tag, of in pieces]
        )
        for (_, of), (kept_ms, marks) in zip(pieces, found, strict=True):
            held.update(user for user, mark in zip(of, marks, strict=True) if mark == ord("1"))
            kept_s = min(kept_s, kept_ms / 1000)
        return Held(held, kept_s)

    async def list_dead(self, busy_s: float) -> list[DeadNode]:
        """Return nodes that died with users, for this process to bury: one of each group at most.
        No other process is given them for `busy_s` seconds.
        """
        found = await self._in_all(self._find_dead, "", _ms(busy_s))
        return [
            DeadNode(tag, node[0].decode(), node[1] / 1000)
            for tag, node in zip(self._groups.tags, found, strict=True)
            if node
        ]

    async def list_some_of(self, node: DeadNode) -> list[str]:
        """Return at most `AT_ONCE` of the users that it held."""
        members = await self._list.run(*_call(node.tag, node.id, (AT_ONCE,)))
        return [member.decode() for member in members]

    async def bury(self, node: DeadNode, user_ids: Sequence[str]) -> list[str] | None:
        """Forget that the node held these users (at most `AT_ONCE`); return those who are now
        offline, or None if the node came back.
        """
        gone = await self._let_go.run(*_call(node.tag, node.id, (1, *user_ids)))
        return None if gone is None else [user_id.decode() for user_id in gone]

    async def forget(self, node: DeadNode) -> None:
        """Forget a node that holds nobody any more."""
        await self._let_go.run(*_call(node.tag, node.id, (1,)))


def _call(tag: str, node_id: str, args: Sequence[object]) -> Call:
    keys = [tag + name for name in ("users", "nodes", "renewed", "since")]
    return Call(keys, [tag + "node:", tag + "of:", node_id, *args])


def _ms(seconds: float) -> int:
    return max(1, int(seconds * 1000))
