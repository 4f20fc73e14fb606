"""Quiet hours are those of the wall clock, over midnight and when clocks change."""

from datetime import UTC, datetime

import pytest

from models.push.settings import QuietHours, parse_quiet_hours, quiet_until

NIGHT = parse_quiet_hours("22:00", "07:00", "Europe/Berlin")
NOON = parse_quiet_hours("12:00", "13:30", "Asia/Kolkata")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("quiet", "now", "until"),
    [
        (NIGHT, "2026-01-10 20:59", None),
        (NIGHT, "2026-01-10 21:00", "2026-01-11 06:00"),
        (NIGHT, "2026-01-11 05:59", "2026-01-11 06:00"),
        (NIGHT, "2026-01-11 06:00", None),
        (NIGHT, "2026-07-10 20:00", "2026-07-11 05:00"),
        # Clocks go forward in this night, and back in that.
        (NIGHT, "2026-03-28 23:00", "2026-03-29 05:00"),
        (NIGHT, "2026-10-24 23:00", "2026-10-25 06:00"),
        (NOON, "2026-01-10 06:29", None),
        (NOON, "2026-01-10 06:30", "2026-01-10 08:00"),
        (None, "2026-01-10 23:00", None),
    ],
)
def test_they_end_at(quiet: QuietHours | None, now: str, until: str | None) -> None:
    assert quiet_until(quiet, at(now)) == (None if until is None else at(until))


def test_a_zone_that_is_gone_quiets_nothing() -> None:
    assert quiet_until(QuietHours(0, 1439, "Gone/Away"), at("2026-01-10 12:00")) is None
