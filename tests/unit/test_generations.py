"""The generations of a device's token pairs: which pair answers a refresh token, and when it ends
the device.
"""

from datetime import UTC, datetime, timedelta

import pytest

from models.devices.devices import Device, Platform
from models.devices.token_generations import DeviceStanding, next_generation
from models.limits.limits import Limits
from models.users.users import User

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMITS = Limits(refresh_grace_s=10, refresh_token_ttl_s=1000)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def standing(
    generation: int,
    accepted: datetime | None,
    *earlier: datetime,
    refreshed_at: datetime = NOW,
    revoked: bool = False,
) -> DeviceStanding:
    return DeviceStanding(
        user=User("u", "Alice"),
        device=Device("d", "Phone", Platform.IOS, ago(5000), ago(50), is_current=True),
        generation=generation,
        generation_accepted_at=accepted,
        earlier_accepted_at=list(earlier),
        last_active_at=ago(50),
        refreshed_at=refreshed_at,
        revoked=revoked,
    )


@pytest.mark.parametrize("accepted", [None, ago(0), ago(5000)])
def test_newest_token_makes_the_next_pair(accepted: datetime | None) -> None:
    assert next_generation(standing(3, accepted), 3, limits=LIMITS, now=NOW) == 4


@pytest.mark.parametrize("accepted", [None, ago(0), ago(10)])
def test_token_before_it_answers_with_the_newest_pair_within_the_grace(
    accepted: datetime | None,
) -> None:
    assert next_generation(standing(3, accepted), 2, limits=LIMITS, now=NOW) == 3


def test_token_before_it_ends_the_device_after_the_grace() -> None:
    assert next_generation(standing(3, ago(10.001)), 2, limits=LIMITS, now=NOW) is None


def test_still_older_token_answers_with_the_pair_that_replaced_it_within_the_grace() -> None:
    """Two quick refreshes of one tab, and another tab that still holds the first token."""
    held = standing(4, None, ago(2), ago(10))

    assert next_generation(held, 2, limits=LIMITS, now=NOW) == 3
    assert next_generation(held, 1, limits=LIMITS, now=NOW) == 2
    assert next_generation(held, 1, limits=LIMITS, now=NOW + timedelta(milliseconds=1)) is None


def test_much_older_token_ends_the_device() -> None:
    assert next_generation(standing(9, None), 7, limits=LIMITS, now=NOW) is None
    assert next_generation(standing(9, ago(1), ago(2)), 1, limits=LIMITS, now=NOW) is None


@pytest.mark.parametrize("shown", [1, 2, 3])
def test_nothing_answers_for_a_device_that_ended(shown: int) -> None:
    assert next_generation(standing(2, None, revoked=True), shown, limits=LIMITS, now=NOW) is None


def test_token_ends_the_device_that_was_idle_too_long() -> None:
    assert (
        next_generation(standing(2, None, refreshed_at=ago(1000)), 2, limits=LIMITS, now=NOW) == 3
    )
    assert (
        next_generation(standing(2, None, refreshed_at=ago(1000.001)), 2, limits=LIMITS, now=NOW)
        is None
    )


def test_token_of_the_future_ends_the_device() -> None:
    """A backup was restored: what was answered since is not known any more."""
    assert next_generation(standing(2, None), 3, limits=LIMITS, now=NOW) is None
