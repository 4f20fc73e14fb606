"""A flag does what `asyncio.Event` does."""

import asyncio

import pytest

from models.flag import Flag
from tests.waiting import steps


async def test_who_waits_goes_on_when_it_is_set() -> None:
    flag = Flag()
    waiting = [asyncio.create_task(flag.wait()) for _ in range(3)]
    await steps(3)
    assert not any(task.done() for task in waiting)

    flag.set()
    flag.set()
    flag.clear()

    await asyncio.gather(*waiting)
    assert not flag.is_set()


async def test_who_comes_later_does_not_wait() -> None:
    flag = Flag(is_set=True)

    await asyncio.wait_for(flag.wait(), 60)

    assert flag.is_set()


async def test_who_gives_up_leaves_the_others_waiting() -> None:
    flag = Flag()
    first, second = (asyncio.create_task(flag.wait()) for _ in range(2))
    await steps(2)

    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert not second.done()

    flag.set()
    await second


async def test_who_gives_up_as_it_is_set_harms_nobody() -> None:
    flag = Flag()
    first, second = (asyncio.create_task(flag.wait()) for _ in range(2))
    await steps(2)

    flag.set()
    first.cancel()

    with pytest.raises(asyncio.CancelledError):
        await first
    await second
