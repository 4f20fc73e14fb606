"""The scripts that Valkey runs: files of `lua/`. Each states its KEYS, ARGV and answer.

On a cluster a script reaches keys of one slot only. What many share is therefore divided into
groups, each with a hash tag of its own, and a script is run once for each group, all at once. On
one Valkey there is one group, so one call.
"""

import asyncio
import hashlib
from binascii import crc_hqx
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, PipelineCommand, RedisCluster
from redis.exceptions import NoScriptError, RedisClusterException, RedisError

Valkey = Redis | RedisCluster

# What says that Valkey, or the part of it that is asked, is away.
AWAY = (RedisError, RedisClusterException, OSError, asyncio.TimeoutError)
# On a cluster: many more than it has primaries, so that each serves about as many as the others.
GROUPS = 64

_FOLDER = Path(__file__).parent / "lua"


def read_script(*names: str) -> str:
    """Return the text of a script: what is common to all, then the named files in order."""
    return "".join((_FOLDER / f"{name}.lua").read_text("utf-8") for name in ("keys", *names))


class Groups:
    """Divide what is kept under one name over its groups, by the CRC16 of what it is about."""

    def __init__(self, valkey: Valkey, name: str) -> None:
        count = GROUPS if isinstance(valkey, RedisCluster) else 1
        # What the keys of each group begin with.
        self.tags = (
            [f"parley:{{{name}}}:"]
            if count == 1
            else [f"parley:{{{name}:{number:02}}}:" for number in range(count)]
        )

    def tag_of(self, key: str) -> str:
        if len(self.tags) == 1:
            return self.tags[0]
        # A lone surrogate is no id that was ever given.
        return self.tags[crc_hqx(key.encode("utf-8", "replace"), 0) % len(self.tags)]

    def divide(
        self, keys: Iterable[str], *, most: int | None = None
    ) -> list[tuple[str, list[str]]]:
        """Return the keys with the tag of their group, at most `most` in one piece."""
        by_tag: dict[str, list[str]] = {}
        if len(self.tags) == 1:
            by_tag[self.tags[0]] = list(keys)
        else:
            for key in keys:
                by_tag.setdefault(self.tag_of(key), []).append(key)
        return [
            (tag, found[start : start + (most or len(found))])
            for tag, found in by_tag.items()
            for start in range(0, len(found), most or max(1, len(found)))
        ]


class Call(NamedTuple):
    """Name the keys and arguments of one run of a script; the keys are of one group."""

    keys: Sequence[str]
    args: Sequence[Any]


class Script:
    """Run one script. Raises what `AWAY` lists, and what Valkey says against the script."""

    def __init__(self, valkey: Valkey, *names: str) -> None:
        self._valkey = valkey
        self._text = read_script(*names)
        self._sha = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, keys: Sequence[str], args: Sequence[Any]) -> Any:
        try:
            return await self._valkey.evalsha(self._sha, len(keys), *keys, *args)
        except NoScriptError:
            return await self._valkey.eval(self._text, len(keys), *keys, *args)

    async def run_all(self, calls: Sequence[Call]) -> list[Any]:
        """Run it for several groups at once; return the answers in the order of the calls."""
        if len(calls) == 1 or not isinstance(self._valkey, RedisCluster):
            return [await self.run(*call) for call in calls]
        await self._valkey.initialize()
        by_node: dict[ClusterNode | None, list[int]] = {}
        for place, call in enumerate(calls):
            by_node.setdefault(self._valkey.get_node_from_key(call.keys[0]), []).append(place)
        answers: list[Any] = [None] * len(calls)
        await asyncio.gather(
            *(self._run_at(node, places, calls, answers) for node, places in by_node.items())
        )
        return answers

    async def _run_at(
        self,
        node: ClusterNode | None,
        places: Sequence[int],
        calls: Sequence[Call],
        answers: list[Any],
    ) -> None:
        """Run calls at the node that should have their keys, in one round trip; and each by itself
        where that fails, since the cluster's client then asks anew where the keys are.
        """
        commands = [
            PipelineCommand(place, "EVALSHA", self._sha, len(call.keys), *call.keys, *call.args)
            for place, call in ((place, calls[place]) for place in places)
        ]
        try:
            if node is not None:
                await node.execute_pipeline(commands)
        except AWAY:
            # Said again, if it goes on, by what is done now.
            node = None
        for command in commands:
            if node is None or isinstance(command.result, Exception):
                command.result = await self.run(*calls[command.position])
            answers[command.position] = command.result
