"""Token buckets shared through real Valkey, and what holds while it is away."""

import asyncio
import dataclasses
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from models.limits.buckets import Buckets
from models.limits.limits import Budget, Limits
from models.refusals import Refused
from parley.embedded import EmbeddedServers
from subscriptions.buckets import VALKEY_WITHIN_S, Refill
from tests.waiting import eventually

# 60 at once, in blocks of 10; none comes back within a test.
LIMITS = dataclasses.replace(
    Limits(),
    sends_per_user=Budget(amount=60, window_s=36_000),
    reactions_per_user=Budget(amount=60, window_s=1),
)


# A busy machine may be slow to answer; that is not a Valkey that is away.
PATIENT_S = 30.0


@pytest_asyncio.fixture
async def valkey(embedded: EmbeddedServers) -> AsyncIterator[Redis]:
    client = Redis.from_url(embedded.redis_url.removesuffix("0") + "1")
    await client.flushdb()
    yield client
    await client.aclose()


@asynccontextmanager
async def process(valkey: Redis, within_s: float = PATIENT_S) -> AsyncIterator[Buckets]:
    buckets = Buckets(LIMITS)
    refill = Refill(valkey, buckets, within_s=within_s)
    refill.start()
    yield buckets
    await refill.close()


async def passed(*processes: Buckets, budget: str = "sends_per_user") -> int:
    """Return how many pass that try at each process in turn, until for a while none does."""
    async with asyncio.timeout(60):
        return await _passed(processes, budget)


async def _passed(processes: Sequence[Buckets], budget: str) -> int:
    count, refused_in_a_row = 0, 0
    while refused_in_a_row < 3:
        try:
            for buckets in processes:
                buckets.take(budget, "ann")
                count += 1
            refused_in_a_row = 0
        except Refused as refused:
            if (refused.retry_after_ms or 0) > 1000:
                refused_in_a_row += 1
            await refilled(*processes)
    return count


async def refilled(*processes: Buckets) -> None:
    await eventually(lambda: not any(buckets.wanting.is_set() for buckets in processes))
    await asyncio.sleep(0)


@pytest.mark.parametrize("count", [1, 2, 4])
async def test_processes_share_a_budget_within_a_block_each(valkey: Redis, count: int) -> None:
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(process(valkey)) for _ in range(count)]

        assert abs(await passed(*processes) - 60) <= 10 * count


async def test_a_process_that_comes_later_finds_the_bucket_empty(valkey: Redis) -> None:
    async with process(valkey) as one, process(valkey) as other:
        await passed(one)

        assert await passed(other) <= 10


async def test_what_was_taken_comes_back_by_valkey_s_clock(valkey: Redis) -> None:
    async with process(valkey) as one:
        for _ in range(10):
            one.take("reactions_per_user", "ann")
        await refilled(one)

        async def is_full() -> bool:
            return not await valkey.keys("parley:{buckets}:*")

        await eventually(is_full)


async def test_a_block_is_fetched_before_the_last_one_is_used_up(valkey: Redis) -> None:
    async with process(valkey) as one:
        for _ in range(5):
            for _ in range(9):
                one.take("sends_per_user", "ann")
            await refilled(one)


async def test_while_valkey_is_away_each_process_counts_for_itself() -> None:
    nowhere = Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=1)
    async with process(nowhere) as one, process(nowhere) as other:
        assert abs(await passed(one) - 60) <= 10
        assert abs(await passed(other) - 60) <= 10
    await nowhere.aclose()


async def test_a_frozen_valkey_holds_up_nobody(embedded: EmbeddedServers, valkey: Redis) -> None:
    """Taking never waits: what runs low meanwhile is filled from the process's own bucket."""
    pid = embedded.pid("valkey")
    async with process(valkey, VALKEY_WITHIN_S) as one:
        os.kill(pid, signal.SIGSTOP)
        try:
            assert abs(await passed(one) - 60) <= 10
        finally:
            os.kill(pid, signal.SIGCONT)
