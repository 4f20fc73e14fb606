"""The scalars take one spelling of a value, and give one."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st

from schema.scalars import (
    parse_date_time,
    parse_language_tag,
    parse_phone_number,
    print_date_time,
)

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31T12:00:00.000Z", NOON),
        ("2026-01-31t12:00:00z", NOON),
        ("2026-01-31T14:00:00+02:00", NOON),
        ("2026-01-31T07:00:00.5-05:00", NOON + timedelta(milliseconds=500)),
        ("2026-01-31T12:00:00.123456789Z", NOON + timedelta(microseconds=123456)),
    ],
)
def test_a_date_time_has_an_offset_and_becomes_utc(text: str, value: datetime) -> None:
    parsed = parse_date_time(text)

    assert (parsed, parsed.tzinfo) == (value, UTC)


@pytest.mark.parametrize(
    "value",
    [
        *("", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31 12:00:00Z", "2026-02-30T12:00:00Z"),
        *(
            "2026-01-31T24:00:00Z",
            "2026-01-31T23:59:60Z",
            "2026-1-31T12:00:00Z",
            "now",
            "20260131T120000Z",
        ),
        *("0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "2026-01-31T12:00:00+24:00"),
        *("٢٠٢٦-01-31T12:00:00Z", "2026-01-31T12:00:00Z\n", 1769860800, None, True, NOON, ["x"]),
    ],
)
def test_other_date_times_are_refused(value: Any) -> None:
    with pytest.raises(GraphQLError) as refused:
        parse_date_time(value)

    assert refused.value.extensions == {"code": "INVALID_INPUT"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (NOON, "2026-01-31T12:00:00.000Z"),
        (NOON.replace(microsecond=1), "2026-01-31T12:00:00.000Z"),
        (NOON.replace(microsecond=999_999), "2026-01-31T12:00:00.999Z"),
        (NOON.astimezone(timezone(timedelta(hours=5, minutes=30))), "2026-01-31T12:00:00.000Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
    ],
)
def test_a_date_time_is_printed_in_utc_with_milliseconds(value: datetime, text: str) -> None:
    assert print_date_time(value) == text


def test_a_time_without_an_offset_is_not_printed() -> None:
    with pytest.raises(ValueError, match="offset"):
        print_date_time(NOON.replace(tzinfo=None))


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_printed_is_parsed_to_the_same_millisecond(value: datetime) -> None:
    parsed = parse_date_time(print_date_time(value))

    assert parsed == value.replace(microsecond=value.microsecond // 1000 * 1000)


@pytest.mark.parametrize(
    "number", ["+14155550123", "+491701234567", "+447700900123", "+919876543210", "+33612345678"]
)
def test_a_phone_number_is_in_e164_form(number: str) -> None:
    """Made-up ones of an assigned length are possible, and pass."""
    assert parse_phone_number(number) == number


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "+",
            "14155550123",
            "0014155550123",
            "+1 415 555 0123",
            "+1-415-555-0123",
            "tel:+14155550123",
        ),
        *("+1415555012", "+141555501234", "+01234567890", "+9991234567", "+12345678901234567"),
        *("+4401234567890", "+1415555O123", "+١٤١٥٥٥٥٠١٢٣", "+14155550123;ext=1", "+14155550123\n"),
        *(14155550123, None, True, ["+14155550123"]),
    ],
)
def test_other_phone_numbers_are_refused_and_not_quoted(value: Any) -> None:
    with pytest.raises(GraphQLError) as refused:
        parse_phone_number(value)

    assert refused.value.extensions == {"code": "INVALID_INPUT"}
    assert refused.value.message == "A PhoneNumber is in E.164 form: +14155550123."


@pytest.mark.parametrize(
    "tag",
    ["en", "pt-BR", "zh-Hant-TW", "sr-Latn", "es-419", "de-1996", "en-u-ca-gregory", "x-klingon"],
)
def test_a_language_tag_is_well_formed(tag: str) -> None:
    assert parse_language_tag(tag) == tag


@pytest.mark.parametrize(
    "value",
    ["", "e", "en_US", "en-", "-en", "en--US", "english-language-tag-", "en US", "é", 1, None],
)
def test_other_language_tags_are_refused(value: Any) -> None:
    with pytest.raises(GraphQLError):
        parse_language_tag(value)


def test_a_language_tag_is_short() -> None:
    with pytest.raises(GraphQLError):
        parse_language_tag("en-x-" + "-".join(["a"] * 100))
