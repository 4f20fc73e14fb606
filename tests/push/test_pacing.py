"""How fast parked pushes go once their provider is well again."""

import pytest

from models.push.gates import LEAST_RELEASED, find_pace


@pytest.mark.parametrize("count", [1, LEAST_RELEASED, 10_000, 1_000_000])
def test_however_much_waits_the_last_goes_in_time(count: int) -> None:
    left = count
    for second in range(15):
        left -= min(left, find_pace(left, second, 15.0, 1.0))

    assert left == 0
