"""Deadlines: what is awaited, in time, and never in place of being cancelled."""

import asyncio

import pytest

from models.deadlines import within
from tests.unit.virtual_time import in_virtual_time, stand_still
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

    await asyncio.wait({task}, timeout=60)
    assert task.cancelled()


def test_the_time_in_which_the_loop_stood_still_does_not_count() -> None:
    async def answers_after_the_stall() -> None:
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        loop.call_later(8.5, answer.set_result, "read late")
        loop.call_later(1, stand_still, 7)

        assert await within(answer, 5) == "read late"

    async def answers_never() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(1, stand_still, 7)

        with pytest.raises(TimeoutError):
            await within(loop.create_future(), 5)
        # It was due at 5, came at 8, and waited for 3 more.
        assert loop.time() == 11

    in_virtual_time(answers_after_the_stall())
    in_virtual_time(answers_never())
