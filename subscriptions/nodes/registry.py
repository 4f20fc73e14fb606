"""The registry in Valkey: which nodes hold a user's feeds, and which nodes live.

A hash maps a user to the ids of the nodes that hold feeds of theirs; an entry counts only while the
node's own key lives. Losing any of it is repaired by the nodes, which register their users again: a
node that renews its lease looks whether its mark is still in the hash. On a cluster there are 64
hashes, and the node has its lease in each.
"""

from collections.abc import Sequence

from subscriptions.nodes.messages import NEWEST
from subscriptions.scripts import Call, Groups, Script, Valkey

LEASE_MS = 10_000
# Users of one call: a script keeps Valkey busy for about a millisecond.
AT_ONCE = 1000
# What nodes read is remembered of so many; beyond, all is asked for again.
REMEMBERED_NODES = 10_000

REGISTRY = "registry"


class Registry:
    """Register the users of one node, and look up the nodes of any. Raises what redis-py raises
    when Valkey is away; callers decide what that means.

    `reads` is noted in the lease: the newest version of live messages that the node reads. What is
    found out of others is put into `readers`, which several registries may share.
    """

    def __init__(
        self,
        valkey: Valkey,
        node_id: str,
        *,
        groups: str = REGISTRY,
        name: str = "users",
        reads: int = NEWEST,
        readers: dict[str, int] | None = None,
    ) -> None:
        self._valkey = valkey
        self._node_id = node_id
        self._name = name
        self._reads = reads
        self._readers = {} if readers is None else readers
        self._groups = Groups(valkey, groups)
        self._lease = Script(valkey, "marks", "registry_lease")
        self._add = Script(valkey, "registry_add")
        self._remove = Script(valkey, "registry_remove")
        self._look_up = Script(valkey, "registry_look_up")

    async def add(self, user_ids: Sequence[str]) -> None:
        await self._change(self._add, user_ids)

    async def remove(self, user_ids: Sequence[str]) -> None:
        await self._change(self._remove, user_ids)

    async def _change(self, script: Script, user_ids: Sequence[str]) -> None:
        pieces = self._groups.divide(user_ids, most=AT_ONCE)
        await script.run_all([Call([tag + self._name], [self._node_id, *of]) for tag, of in pieces])

    async def look_up(self, user_ids: Sequence[str]) -> list[list[str]]:
        """Return for each user the ids of the living nodes that hold feeds of theirs."""
        pieces = self._groups.divide(user_ids)
        answers = await self._look_up.run_all(
            [Call([tag + self._name], [tag + "node:", *of]) for tag, of in pieces]
        )
        found: dict[str, list[str]] = {}
        for (_, of), (*nodes, readers) in zip(pieces, answers, strict=True):
            self._note_readers(readers.decode().split())
            for user_id, its_nodes in zip(of, nodes, strict=True):
                found[user_id] = its_nodes.decode().split() if its_nodes else []
        return [found[user_id] for user_id in user_ids]

    def _note_readers(self, words: Sequence[str]) -> None:
        if len(self._readers) > REMEMBERED_NODES:
            self._readers.clear()
        for word in words:
            node_id, _, version = word.partition("=")
            self._readers[node_id] = int(version) if version.isdecimal() else 0

    async def take_lease(self) -> None:
        """Begin the lease, and mark this node as one whose users are in the hash."""
        await self._hold_lease(renew=False)

    async def renew_lease(self) -> bool:
        """Return whether the lease, and the hash with this node's mark, were still there."""
        return await self._hold_lease(renew=True)

    async def _hold_lease(self, *, renew: bool) -> bool:
        answers = await self._lease.run_all(
            [
                Call(
                    [tag + self._name, f"{tag}node:{self._node_id}"],
                    [self._node_id, LEASE_MS, tag + "node:", self._reads, int(renew)],
                )
                for tag in self._groups.tags
            ]
        )
        return all(answers)

    async def end_lease(self) -> None:
        pipeline = self._valkey.pipeline(transaction=False)
        for tag in self._groups.tags:
            pipeline.delete(f"{tag}node:{self._node_id}")
        await pipeline.execute()
