"""Deadlines: what is awaited, in time, and never in place of being cancelled."""

import asyncio

import pytest

from models.deadlines import within
from tests.waiting import steps


async def test_what_comes_in_time_is_given() -> None:
    assert await within(asyncio.sleep(0, "value"), 5) == "value"


async def test_what_does_not_come_is_given_up() -> None:
    never = asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError):
        await within(never, 0.001)
    assert never.cancelled()


@pytest.mark.parametrize("turns", range(5))
async def test_a_loop_ends_even_when_what_it_awaits_comes_at_that_moment(turns: int) -> None:
    event = asyncio.Event()

    async def follow() -> None:
        while True:
            await within(event.wait(), 5)
            event.clear()

    task = asyncio.create_task(follow())
    await steps(3)
    event.set()
    await steps(turns)
    task.cancel()

    await asyncio.wait({task}, timeout=1)
    assert task.cancelled()
