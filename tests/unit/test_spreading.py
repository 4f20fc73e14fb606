"""Ends come one after another, over the given time or faster."""

import asyncio

import pytest

from parley.transport.spreading import end_one_by_one
from tests.unit.virtual_time import in_virtual_time


@pytest.mark.parametrize(
    ("count", "over_s", "last_s"),
    [(0, 3, None), (1, 3, 0), (11, 3, 0.1), (3000, 3, 2.999), (30_000, 3, 2.9999), (5, 0, 0)],
)
def test_ends_are_spread_over_the_time_or_come_a_hundredth_of_a_second_apart(
    count: int, over_s: float, last_s: float | None
) -> None:
    ends: list[float] = []

    async def spread() -> None:
        loop = asyncio.get_running_loop()
        await end_one_by_one([lambda: ends.append(loop.time())] * count, over_s)

    in_virtual_time(spread())

    assert len(ends) == count
    assert ends == sorted(ends)
    assert (ends[-1] if ends else None) == pytest.approx(last_s, abs=0.002)
