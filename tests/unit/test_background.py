"""Loops that go on, and what a process knows of them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from models.background import LONGEST_PAUSE_S, Background, CannotGoOn, Loops
from models.episodes import QUIET_S
from models.refusals import not_found, unavailable
from tests.unit.virtual_time import in_virtual_time
from tests.waiting import steps

UNEXPECTED = [ValueError("a bug"), KeyError("a bug"), RecursionError(), not_found("no such row")]
AWAY = [unavailable(), ConnectionResetError(), TimeoutError()]


class Rounds:
    """A loop's work: fails with each of the errors in turn, then is done a second later."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.begun: list[float] = []

    async def __call__(self) -> None:
        self.begun.append(asyncio.get_running_loop().time())
        if self.errors:
            raise self.errors.pop(0)
        await asyncio.sleep(1)


def beside(background: Background, test: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await test()
        await background.close()

    in_virtual_time(run())


@pytest.mark.parametrize(
    ("error", "kind"),
    [(error, "unexpected") for error in UNEXPECTED] + [(error, "away") for error in AWAY],
)
def test_a_loop_goes_on_after_an_error_and_the_process_stays_ready(
    error: Exception, kind: str
) -> None:
    loops, work = Loops(), Rounds(error)
    background = Background(loops)

    async def test() -> None:
        background.forever("loop", work)
        await asyncio.sleep(5)

    beside(background, test)
    assert len(work.begun) > 3
    assert loops.failures == {("loop", kind): 1}
    assert loops.can_go_on


def test_pauses_grow_to_their_bound_and_begin_again_after_a_good_round() -> None:
    work = Rounds(*[ValueError()] * 40)
    background = Background()

    async def test() -> None:
        background.forever("loop", work)
        await asyncio.sleep(100)

    beside(background, test)
    pauses = [then - at for at, then in zip(work.begun[:-1], work.begun[1:], strict=True)]
    assert 0.02 < pauses[0] <= 0.05
    assert all(LONGEST_PAUSE_S / 2 <= pause <= LONGEST_PAUSE_S for pause in pauses[8:40])

    again = Rounds()
    again.errors = [ValueError()] * 10

    async def test_again() -> None:
        other.forever("loop", again)
        await asyncio.sleep(30)
        again.errors = [ValueError()] * 2
        begun = len(again.begun)
        await asyncio.sleep(3)
        assert again.begun[begun + 1] - again.begun[begun] <= 0.05

    other = Background()
    beside(other, test_again)


def test_an_episode_is_logged_once_for_each_class_and_once_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "parley.background")
    background = Background()

    async def test() -> None:
        work = Rounds(*[ValueError()] * 30, KeyError(), ValueError())
        background.forever("loop", work, longest_pause_s=0.1)
        await asyncio.sleep(QUIET_S + 10)
        work.errors = [ValueError()]
        await asyncio.sleep(2)

    beside(background, test)
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    failed = ("ERROR", "Background work failed, and goes on")
    assert said == [failed, failed, ("INFO", "Background work is well again"), failed]


def test_a_loop_that_fails_every_other_time_does_not_flood_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    background = Background()
    rounds = 0

    async def work() -> None:
        nonlocal rounds
        rounds += 1
        await asyncio.sleep(0.01)
        if rounds % 2:
            raise ValueError

    async def test() -> None:
        background.forever("loop", work)
        await asyncio.sleep(60)

    beside(background, test)
    assert rounds > 500
    assert len(caplog.records) == 1


def test_a_loop_waits_between_its_rounds_more_or_less() -> None:
    work = Rounds()
    background = Background()

    async def test() -> None:
        background.every("loop", 10, work, jitter=0.5)
        await asyncio.sleep(1000)

    beside(background, test)
    pauses = [then - at for at, then in zip(work.begun[:-1], work.begun[1:], strict=True)]
    assert min(work.begun[0], *pauses) >= 5
    assert max(pauses) <= 16
    assert max(pauses) - min(pauses) > 1


def test_a_loop_may_begin_with_its_work() -> None:
    work = Rounds(ValueError())
    background = Background()

    async def test() -> None:
        background.every("loop", 10, work, at_once=True)
        await asyncio.sleep(15)

    beside(background, test)
    assert work.begun[0] == 0
    assert 10 < work.begun[1] <= 10.05


def test_what_woke_a_loop_is_done_again_after_an_error() -> None:
    work = Rounds(ValueError(), ValueError())
    background = Background()

    async def test() -> None:
        event = asyncio.Event()
        background.whenever("loop", event, work, gather_s=0.5)
        await asyncio.sleep(1)
        assert work.begun == []
        event.set()
        await asyncio.sleep(20)
        assert not event.is_set()

    beside(background, test)
    assert len(work.begun) == 3
    assert work.begun[0] == 1.5


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
