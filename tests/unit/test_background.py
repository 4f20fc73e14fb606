"""Loops that go on after errors, and what a process knows of them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from models.background import LONGEST_PAUSE_S, Background, Loops
from models.episodes import QUIET_S
from models.refusals import not_found, unavailable
from tests.unit.virtual_time import in_virtual_time

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
