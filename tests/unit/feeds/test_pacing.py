"""Pacing: the first value of a key at once, then at most one an interval, the last one always."""

import asyncio

import pytest

from subscriptions.pacing import Pacer
from tests.unit.virtual_time import in_virtual_time
from tests.waiting import eventually


class Emitted:
    """What a pacer of sums gave, and when."""

    def __init__(self, every_s: float) -> None:
        self.values: list[tuple[str, int]] = []
        self.times: list[float] = []
        self.pacer = Pacer[str, tuple[str, int]](
            self._take, lambda one, other: (one[0], one[1] + other[1]), every_s=every_s
        )

    def _take(self, values: list[tuple[str, int]]) -> None:
        self.values += values
        self.times += [asyncio.get_running_loop().time()] * len(values)

    def offer(self, key: str, number: int) -> None:
        self.pacer.offer(key, (key, number))


def test_the_first_comes_at_once_and_the_rest_as_one() -> None:
    in_virtual_time(_offer_four_at_once())


async def _offer_four_at_once() -> None:
    emitted = Emitted(0.05)

    for number in (1, 2, 3, 4):
        emitted.offer("a", number)

    assert emitted.values == [("a", 1)]
    await eventually(lambda: len(emitted.values) == 2)
    assert emitted.values == [("a", 1), ("a", 9)]
    assert emitted.times == pytest.approx([0, 0.05])


async def test_keys_do_not_wait_for_each_other() -> None:
    emitted = Emitted(10)

    for key in "abc":
        emitted.offer(key, 1)

    assert emitted.values == [("a", 1), ("b", 1), ("c", 1)]
    emitted.pacer.close()


def test_never_two_within_an_interval_however_many_come() -> None:
    in_virtual_time(_offer_every_millisecond())


async def _offer_every_millisecond() -> None:
    emitted = Emitted(0.05)

    for _ in range(300):
        emitted.offer("a", 1)
        await asyncio.sleep(0.001)
    await eventually(lambda: sum(number for _, number in emitted.values) == 300)

    assert emitted.times == pytest.approx([n * 0.05 for n in range(len(emitted.times))])
    assert len(emitted.times) == 7


async def test_after_a_quiet_interval_the_next_comes_at_once() -> None:
    emitted = Emitted(0.02)
    emitted.offer("a", 1)
    await eventually(lambda: not emitted.pacer._until)

    emitted.offer("a", 2)

    assert emitted.values == [("a", 1), ("a", 2)]


async def test_closing_drops_what_is_held() -> None:
    emitted = Emitted(0.02)
    emitted.offer("a", 1)
    emitted.offer("a", 2)

    emitted.pacer.close()
    other = Emitted(0.05)
    other.offer("b", 1)
    other.offer("b", 2)
    await eventually(lambda: len(other.values) == 2)

    assert emitted.values == [("a", 1)]


def test_what_was_overtaken_on_its_way_is_not_given_after_what_overtook_it() -> None:
    in_virtual_time(_offer_an_overtaken_one())


async def _offer_an_overtaken_one() -> None:
    given: list[int] = []
    pacer = Pacer[str, int](given.extend, max, every_s=1, goes_on=lambda one, other: other > one)

    pacer.offer("a", 135)
    pacer.offer("a", 134)
    await asyncio.sleep(1.5)
    assert given == [135]
    pacer.offer("a", 136)
    pacer.offer("a", 134)
    pacer.offer("a", 137)
    await asyncio.sleep(1.5)

    assert given == [135, 136, 137]
