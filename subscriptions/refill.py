"""Refilling this process's token buckets from those that all processes share in Valkey.

One task gathers which buckets run low, and gets the next block of each in one call. While Valkey is
away the blocks come from buckets of this process's own, so that nobody is refused or let through
because of it; Valkey is tried again every `TRY_AGAIN_S`.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from models.background import Background, Loops
from models.buckets import Buckets, Given, OwnBuckets, Wanted
from models.deadlines import within
from subscriptions.nodes.broker import AWAY
from subscriptions.scripts import read_script

# What runs low within this is filled in one call, unless somebody has nothing in hand.
GATHER_S = 0.1
# Buckets of one call: the script keeps Valkey busy for less than a millisecond.
AT_ONCE = 200
VALKEY_WITHIN_S = 0.3
TRY_AGAIN_S = 2.0

# All keys share a hash tag, so that one call may fill many buckets on a cluster.
_PREFIX = "parley:{buckets}:"
_TAKE_TOKENS = read_script("take_tokens")


class Refill:
    """Fills the buckets of one process until it is closed."""

    def __init__(self, valkey: Redis, buckets: Buckets, loops: Loops | None = None) -> None:
        self._buckets = buckets
        self._own = OwnBuckets()
        self._script: Any = valkey.register_script(_TAKE_TOKENS)
        self._away_until = 0.0
        self._background = Background(loops)

    def start(self) -> None:
        self._background.forever("buckets", self._fill, away=AWAY)

    async def close(self) -> None:
        await self._background.close()

    async def _fill(self) -> None:
        await self._buckets.wanting.wait()
        with contextlib.suppress(TimeoutError):
            await within(self._buckets.urgent.wait(), GATHER_S)
        wanted = self._buckets.list_wanted(AT_ONCE)
        if wanted:
            self._buckets.fill(wanted, await self._take(wanted))

    async def _take(self, wanted: Sequence[Wanted]) -> list[Given]:
        if time.monotonic() >= self._away_until:
            try:
                return await within(self._take_shared(wanted), VALKEY_WITHIN_S)
            except AWAY:
                self._away_until = time.monotonic() + TRY_AGAIN_S
        await asyncio.sleep(0)
        return self._own.give(wanted)

    async def _take_shared(self, wanted: Sequence[Wanted]) -> list[Given]:
        lines = "\n".join(
            f"{key} {rate.amount} {rate.window_s} {owed} {tokens}"
            for key, rate, owed, tokens in wanted
        )
        answer = await self._script(keys=[_PREFIX], args=[lines])
        return [
            Given(tokens, left / 1000)
            for tokens, left in zip(answer[::2], answer[1::2], strict=True)
        ]
