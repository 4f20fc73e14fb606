"""Retry-After: seconds or a date, kept exactly."""

from datetime import UTC, datetime

import pytest

from workers.push.providers.pushes import find_retry_after_s

NOW = datetime(2026, 11, 24, 18, 30, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30),
        (" 30 ", 30),
        ("0", 0),
        ("86400", 86_400),
        ("999999999999", 86_400),
        ("Tue, 24 Nov 2026 18:31:15 GMT", 75),
        ("Tuesday, 24-Nov-26 18:31:15 GMT", 75),
        ("Tue Nov 24 18:31:15 2026", 75),
        ("Tue, 24 Nov 2026 20:31:15 +0200", 75),
        ("Tue, 24 Nov 2026 18:29:00 GMT", 0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\u00b2", None),
    ],
)
def test_says_for_how_long(value: str, seconds: float | None) -> None:
    assert find_retry_after_s(value, NOW) == seconds


def test_of_a_stranger_is_an_hour_at_most() -> None:
    assert find_retry_after_s("7200", NOW, most_s=3600) == 3600
