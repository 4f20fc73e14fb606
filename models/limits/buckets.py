"""Token buckets: limit how often a user or address may do something, without waiting.

A bucket belongs to one owner (a user, an address) and one budget of `Limits`. It holds at most
`amount` tokens; taken tokens come back evenly, all of them within `window_s`. All processes share
it, and each has a block of its tokens in hand:

- `take` only subtracts from that block. It never waits, also while Valkey, which holds the shared
  buckets, is away.
- `Refill` (subscriptions/buckets.py) fetches the next block when half of one is left. An owner
  that a process does not know begins on credit of one block. What was used of it is reported as
  soon as it is worth a call.
- So all processes together may allow up to one block each more than `amount`, or fewer where some
  hold a block that they do not use. In the long run the count is exact: what was spent on credit is
  deducted, also from an empty bucket.
- Nothing is stored for good. A forgotten bucket is full again.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from itertools import islice
from typing import NamedTuple, Protocol

from models.limits.budgets import MAX_WAIT_MS
from models.limits.limits import Budget, Limits, list_budgets, name_of
from models.refusals import RefusalCode, Refused

# A block is this part of a budget's amount.
BLOCKS = 6
# A debt is reported once it is this part of a block: most users do something now and then only.
REPORTS = 8
# `retryAfterMs` of a refusal that only waits for the next block.
REFILL_MS = 100
# The number of buckets that one process keeps; beyond it the oldest are forgotten.
KEPT = 100_000


class Rate(NamedTuple):
    """A budget in tokens: how many at most, in one block, and how many come back in a second."""

    amount: int
    block: int
    per_s: float
    window_s: int


class Wanted(NamedTuple):
    """A request to a shared bucket: deduct `owed` in any case, give up to `tokens`."""

    key: str
    rate: Rate
    owed: int
    tokens: int


class Given(NamedTuple):
    """The answer: the tokens given, and what is left in the shared bucket; below 0 it is a debt."""

    tokens: int
    left: float


class Takes(Protocol):
    """Describes what operations use of `Buckets`."""

    def take(self, name: str, owner: str, amount: int = 1) -> None:
        """Take tokens from a bucket, without waiting.

        Raises:
            Refused: RATE_LIMITED with the time after which the same would pass.
        """

    def owe(self, name: str, owner: str, amount: int) -> None:
        """Take tokens that have been used already, also where there are too few."""


class _Bucket:
    """The state of one bucket as this process knows it."""

    __slots__ = ("asked", "at", "left", "name", "owed", "owner", "rate", "tokens")

    def __init__(self, name: str, owner: str, rate: Rate, now: float, owed: int) -> None:
        self.name = name
        self.owner = owner
        self.rate = rate
        # In hand.
        self.tokens = 0
        # Taken on credit and not reported yet.
        self.owed = owed
        # What the shared bucket held at `at`, monotonic seconds.
        self.left: float = rate.amount
        self.at = now
        # On the list of those to be filled.
        self.asked = False

    def left_at(self, now: float) -> float:
        """Return what the shared bucket should hold by now, less what is owed to it."""
        full = float(self.rate.amount)
        return min(full, self.left + (now - self.at) * self.rate.per_s) - self.owed


class Buckets:
    """The tokens that one process has in hand."""

    def __init__(
        self, limits: Limits, *, now: Callable[[], float] = time.monotonic, kept: int = KEPT
    ) -> None:
        self._rates = {name: rate_of(budget) for name, budget in list_budgets(limits).items()}
        self._now = now
        self._kept = kept
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()
        self._wanting: dict[str, _Bucket] = {}
        # Set while some bucket wants to be filled, and while one does so that has nothing in hand.
        self.wanting = asyncio.Event()
        self.urgent = asyncio.Event()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, name: str, owner: str, amount: int = 1) -> None:
        """Take tokens of the budget `name`, a field of `Limits`, from the owner's bucket.

        Raises:
            Refused: RATE_LIMITED with the time after which the same would pass. Nothing is taken.
        """
        bucket = self._buckets.get((name, owner))
        if bucket is not None and bucket.tokens >= amount:
            bucket.tokens -= amount
            if not bucket.asked and bucket.tokens * 2 < bucket.rate.block:
                self._ask(bucket)
            return
        if bucket is not None:
            self._take_on_credit(bucket, amount)
        else:
            self._begin(name, owner, amount)

    def owe(self, name: str, owner: str, amount: int) -> None:
        """Take tokens that have been used already, also where there are too few: the bucket is then
        in debt, and gives none before that is paid.
        """
        bucket = self._buckets.get((name, owner))
        if bucket is None:
            self._begin(name, owner, 0)
            bucket = self._buckets[name, owner]
        paid = min(bucket.tokens, amount)
        bucket.tokens -= paid
        bucket.owed += amount - paid
        if bucket.tokens * 2 < bucket.rate.block:
            self._ask(bucket)

    def _begin(self, name: str, owner: str, amount: int) -> None:
        """Take from a bucket that this process does not know: it is full, as far as it can tell."""
        rate = self._rates[name]
        fits = amount <= rate.block and amount <= rate.amount
        bucket = _Bucket(name, owner, rate, self._now(), amount if fits else 0)
        self._buckets[name, owner] = bucket
        if len(self._buckets) > self._kept:
            self._forget_one()
        if not fits:
            self._take_on_credit(bucket, amount)
        elif amount * REPORTS >= rate.block:
            self._ask(bucket)

    def _forget_one(self) -> None:
        """Forget the oldest, but for one that is being filled."""
        for _ in range(2):
            key, bucket = self._buckets.popitem(last=False)
            if not bucket.asked:
                return
            self._buckets[key] = bucket

    def _take_on_credit(self, bucket: _Bucket, amount: int) -> None:
        """Take what is in hand, and owe the rest: at most a block between two reports."""
        missing = amount - bucket.tokens
        left = bucket.left_at(self._now())
        if left < missing:
            raise _refusal(bucket, (missing - left) / bucket.rate.per_s * 1000)
        reported = bucket.owed * REPORTS < bucket.rate.block
        if not reported and bucket.owed + missing > bucket.rate.block:
            self._ask(bucket, urgent=True)
            raise _refusal(bucket, REFILL_MS)
        bucket.tokens = 0
        bucket.owed += missing
        if bucket.owed * REPORTS >= bucket.rate.block:
            self._ask(bucket, urgent=bucket.owed * 2 > bucket.rate.block)

    # ---------------------------------------------------------------- filling

    def _ask(self, bucket: _Bucket, *, urgent: bool = False) -> None:
        bucket.asked = True
        self._wanting[f"{bucket.name}:{bucket.owner}"] = bucket
        self.wanting.set()
        if urgent:
            self.urgent.set()

    def list_wanted(self, most: int) -> list[Wanted]:
        """Return what is to be asked for now, for as many buckets as named at most."""
        self.wanting.clear()
        self.urgent.clear()
        if len(self._wanting) > most:
            # The rest goes in the next call, at once.
            self.wanting.set()
            self.urgent.set()
        return [
            Wanted(key, bucket.rate, bucket.owed, max(0, bucket.rate.block - bucket.tokens))
            for key, bucket in islice(self._wanting.items(), most)
        ]

    def fill(self, wanted: Iterable[Wanted], given: Iterable[Given]) -> None:
        """Take in hand what was given. What was taken meanwhile stays taken."""
        now = self._now()
        for want, answer in zip(wanted, given, strict=True):
            bucket = self._wanting.pop(want.key)
            bucket.asked = False
            bucket.owed -= want.owed
            bucket.tokens += answer.tokens
            bucket.left, bucket.at = answer.left, now
            if bucket.owed:
                # Reported next time, out of the tokens that came.
                self._settle(bucket)
        if self._wanting:
            self.wanting.set()

    def _settle(self, bucket: _Bucket) -> None:
        """Pay what was taken on credit during the round trip, as far as the new tokens go."""
        paid = min(bucket.owed, bucket.tokens)
        bucket.owed -= paid
        bucket.tokens -= paid
        if bucket.owed or bucket.tokens * 2 < bucket.rate.block:
            self._ask(bucket, urgent=bool(bucket.owed))


class OwnBuckets:
    """Buckets that this process shares with nobody: the place to fill from while Valkey is away."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic, kept: int = KEPT) -> None:
        self._now = now
        self._kept = kept
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def give(self, wanted: Iterable[Wanted]) -> list[Given]:
        """Give tokens by the rule of the script take_tokens.lua, where it is explained."""
        return [self._give(want) for want in wanted]

    def _give(self, want: Wanted) -> Given:
        now, rate = self._now(), want.rate
        held, at = self._held.get(want.key, (float(rate.amount), now))
        held = min(float(rate.amount), held + (now - at) * rate.per_s)
        held = max(-float(rate.amount), held - want.owed)
        tokens = min(want.tokens, max(0, int(held)))
        self._held[want.key] = (held - tokens, now)
        self._held.move_to_end(want.key)
        if len(self._held) > self._kept:
            self._held.popitem(last=False)
        return Given(tokens, held - tokens)


def rate_of(budget: Budget) -> Rate:
    """Return the budget in tokens; one of 0 never gives any."""
    per_s = max(budget.amount, 0.001) / budget.window_s
    return Rate(budget.amount, max(1, budget.amount // BLOCKS), per_s, budget.window_s)


def _refusal(bucket: _Bucket, wait_ms: float) -> Refused:
    """Return a RATE_LIMITED to raise; `wait_ms` is the time until the bucket has enough tokens."""
    rate = bucket.rate
    return Refused(
        RefusalCode.RATE_LIMITED,
        f"This is asked for too often ({name_of(bucket.name)}: {rate.amount} in {rate.window_s} "
        "s). Repeat it after retryAfterMs.",
        retry_after_ms=min(max(0, int(wait_ms)) + 1, 2 * rate.window_s * 1000, MAX_WAIT_MS),
    )
