"""Buckets in Valkey: this process's token buckets are refilled from those that all processes share.

One task gathers which buckets run low, and gets the next block of each in one call. While Valkey is
away the blocks come from buckets of this process's own, so that nobody is refused or let through
because of it; Valkey is tried again every `TRY_AGAIN_S`.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence

from models.background import Background, Loops
from models.deadlines import within
from models.limits.buckets import Buckets, Given, OwnBuckets, Wanted
from subscriptions.scripts import AWAY, Call, Groups, Script, Valkey

# What runs low within this is filled in one call, unless somebody has nothing in hand.
GATHER_S = 0.1
# Buckets of one call: the script keeps Valkey busy for less than a millisecond.
AT_ONCE = 200
VALKEY_WITHIN_S = 0.3
TRY_AGAIN_S = 2.0

BUCKETS = "buckets"


class Refill:
    """Fills the buckets of one process until it is closed."""

    def __init__(
        self,
        valkey: Valkey,
        buckets: Buckets,
        loops: Loops | None = None,
        *,
        within_s: float = VALKEY_WITHIN_S,
    ) -> None:
        """Take Valkey to be away when a call has no answer after `within_s` seconds."""
        self._buckets = buckets
        self._within_s = within_s
        self._own = OwnBuckets()
        self._groups = Groups(valkey, BUCKETS)
        self._script = Script(valkey, "take_tokens")
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
                return await within(self._take_shared(wanted), self._within_s)
            except AWAY:
                self._away_until = time.monotonic() + TRY_AGAIN_S
        await asyncio.sleep(0)
        return self._own.give(wanted)

    async def _take_shared(self, wanted: Sequence[Wanted]) -> list[Given]:
        by_key = {want.key: want for want in wanted}
        pieces = self._groups.divide(by_key)
        answers = await self._script.run_all(
            [Call([tag], ["\n".join(_line(by_key[key]) for key in keys)]) for tag, keys in pieces]
        )
        given: dict[str, Given] = {}
        for (_, keys), answer in zip(pieces, answers, strict=True):
            for key, tokens, left in zip(keys, answer[::2], answer[1::2], strict=True):
                given[key] = Given(tokens, left / 1000)
        return [given[want.key] for want in wanted]


def _line(want: Wanted) -> str:
    key, rate, owed, tokens = want
    return f"{key} {rate.amount} {rate.window_s} {owed} {tokens}"
