"""Closing loops, and tasks that run once beside them."""

import asyncio

import pytest

from models.background import Background, CannotGoOn, Loops
from models.refusals import unavailable
from tests.waiting import steps


@pytest.mark.parametrize("turns", range(8))
async def test_a_loop_ends_when_it_is_closed_wherever_it_is(turns: int) -> None:
    loops, event = Loops(), asyncio.Event()
    background = Background(loops)

    async def work() -> None:
        async with asyncio.timeout(60):
            await event.wait()
        await steps(2)
        raise ValueError

    background.forever("loop", work, longest_pause_s=0)
    await steps(2)
    event.set()
    await steps(turns)

    async with asyncio.timeout(60):
        await background.close()
    assert loops.can_go_on


async def test_work_that_swallows_its_cancellation_ends_all_the_same() -> None:
    background = Background()
    swallowed = 0

    async def work() -> None:
        nonlocal swallowed
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            swallowed += 1

    background.forever("loop", work)
    await steps(2)

    await background.close()

    assert swallowed == 1


async def test_a_cancellation_of_what_a_loop_awaits_is_an_error_like_others() -> None:
    loops = Loops()
    background = Background(loops)
    awaited = [asyncio.get_running_loop().create_future() for _ in range(2)]
    rounds = iter(awaited)

    async def work() -> None:
        await next(rounds)

    background.forever("loop", work, longest_pause_s=0)
    await steps(2)
    awaited[0].cancel()
    await steps(6)
    awaited[1].set_result(None)
    await steps(2)

    assert loops.failures["loop", "unexpected"] >= 1
    assert loops.can_go_on
    await background.close()


async def test_closing_that_is_itself_cancelled_ends() -> None:
    background = Background()
    background.forever("loop", asyncio.Event().wait)
    closing = asyncio.create_task(background.close())
    await steps(1)
    closing.cancel()

    await asyncio.wait({closing}, timeout=60)
    assert closing.cancelled()


@pytest.mark.parametrize("how", ["raised", "cancelled"])
async def test_a_process_whose_loop_has_ended_cannot_go_on(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    loops = Loops()
    background = Background(loops)

    async def work() -> None:
        if how == "raised":
            raise CannotGoOn
        await asyncio.Event().wait()

    background.forever("loop", work)
    await steps(2)
    if how == "cancelled":
        (task,) = (task for task in asyncio.all_tasks() if task.get_name() == "loop")
        task.cancel()
    await steps(3)

    assert loops.ended == {"loop"}
    assert not loops.can_go_on
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]
    await background.close()


async def test_a_task_that_fails_is_counted_and_harms_nobody() -> None:
    loops = Loops()
    background = Background(loops)
    done = []

    async def work(error: Exception | None) -> None:
        if error is not None:
            raise error
        done.append(True)

    for error in (ValueError("a bug"), unavailable(), None):
        background.spawn("task", work(error))
    await steps(3)

    assert done == [True]
    assert loops.failures == {("task", "unexpected"): 1, ("task", "away"): 1}
    assert loops.can_go_on
    await background.close()


@pytest.mark.parametrize("closed_first", [True, False])
async def test_a_task_is_not_begun_after_the_close(closed_first: bool) -> None:
    """Also one that waited for its first step."""
    background = Background()
    if closed_first:
        await background.close()
    begun = []

    async def work() -> None:
        begun.append(True)

    background.spawn("task", work())
    await background.close()
    await steps(3)

    assert begun == []


async def test_tasks_may_finish_when_their_part_is_closed() -> None:
    background, finished = Background(), asyncio.Event()

    async def work() -> None:
        await steps(3)
        finished.set()

    background.spawn("task", work())
    background.spawn("stuck", forever())
    await background.close(finish_s=0.05)

    assert finished.is_set()


async def forever() -> None:
    await asyncio.Event().wait()


async def test_tasks_that_fail_all_the_time_are_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loops = Loops()
    background = Background(loops)
    for _ in range(50):
        background.note("task", ValueError("a bug"))

    assert loops.failures["task", "unexpected"] == 50
    assert len(caplog.records) == 1
    await background.close()
