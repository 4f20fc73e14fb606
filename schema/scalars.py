"""The scalars of the contract besides GraphQL's own, and the configuration that brings them.

What a client sends is taken in one spelling only, or refused with INVALID_INPUT. Text with a NUL or
a lone surrogate never gets as far: the engine refuses it in any input.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NewType

import orjson
import phonenumbers
import strawberry
from graphql import GraphQLError
from graphql.language import StringValueNode, ValueNode
from strawberry.schema.config import StrawberryConfig

DateTime = NewType("DateTime", datetime)
PhoneNumber = NewType("PhoneNumber", str)
LanguageTag = NewType("LanguageTag", str)

# RFC 3339, section 5.6, without leap seconds, which no datetime can hold.
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
# RFC 5646, section 2.1: language, script, region, variants, extensions, private use; or private use
# alone. The irregular tags of old ("i-klingon") are not among them.
_LANGUAGE_TAG = re.compile(
    r"(?:[A-Za-z]{2,3}(?:-[A-Za-z]{3}){0,3}|[A-Za-z]{4,8})"
    r"(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*"
    r"(?:-[0-9A-WY-Za-wy-z](?:-[A-Za-z0-9]{2,8})+)*"
    r"(?:-[Xx](?:-[A-Za-z0-9]{1,8})+)?"
    r"|[Xx](?:-[A-Za-z0-9]{1,8})+"
)
_LANGUAGE_TAG_LENGTH = 64

_WITH_FRACTION = len('"2026-01-31T12:00:00.000000+00:00"')


def _invalid(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": "INVALID_INPUT"})


def print_date_time(value: datetime) -> str:
    """Print an instant in UTC, with milliseconds, cut and not rounded: never later than it was.

    Raises:
        ValueError: the time has no offset.
    """
    if value.tzinfo is not UTC:
        if value.tzinfo is None:
            raise ValueError("A time without an offset is no instant.")
        value = value.astimezone(UTC)
    # A page prints a hundred of them: orjson's form, cut, takes a third of the time of isoformat.
    text = orjson.dumps(value).decode()
    return f"{text[1:24]}Z" if len(text) == _WITH_FRACTION else f"{text[1:20]}.000Z"


def parse_date_time(value: Any) -> datetime:
    """Parse an instant.

    Raises:
        GraphQLError: it is not an RFC 3339 date and time with an offset.
    """
    if isinstance(value, str) and _DATE_TIME.fullmatch(value):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass  # The 31st of February; a year before 1 in UTC.
    raise _invalid("A DateTime is an RFC 3339 time with an offset: 2026-01-31T12:00:00.000Z.")


def parse_phone_number(value: Any) -> str:
    """Parse a phone number.

    Raises:
        GraphQLError: it is not a possible number, in E.164 form.
    """
    if isinstance(value, str) and _E164.fullmatch(value):
        try:
            number = phonenumbers.parse(value)
        except phonenumbers.NumberParseException:
            number = None
        # Possible, not assigned: which ranges are in use changes faster than any list of them.
        if number is not None and phonenumbers.is_possible_number(number):
            form = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            if form == value:
                return value
    raise _invalid("A PhoneNumber is in E.164 form: +14155550123.")


def parse_language_tag(value: Any) -> str:
    """Parse a language tag.

    Raises:
        GraphQLError: it is not well-formed.
    """
    if (
        isinstance(value, str)
        and len(value) <= _LANGUAGE_TAG_LENGTH
        and _LANGUAGE_TAG.fullmatch(value)
    ):
        return value
    raise _invalid("A LanguageTag is a BCP 47 language tag: en, pt-BR, zh-Hant-TW.")


def _print_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("This scalar is text.")
    return value


def _in_document(parse: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return the parser of a literal, whose place its errors name."""

    def parse_literal(node: ValueNode, _variables: Any = None) -> Any:
        try:
            return parse(node.value if isinstance(node, StringValueNode) else None)
        except GraphQLError as error:
            raise GraphQLError(error.message, node, extensions=error.extensions) from None

    return parse_literal


_DATE_TIME_SCALAR = strawberry.scalar(
    name="DateTime",
    description="An instant in UTC, RFC 3339 with milliseconds: 2026-01-31T12:00:00.000Z.",
    specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
    serialize=print_date_time,
    parse_value=parse_date_time,
    parse_literal=_in_document(parse_date_time),
)


def make_schema_config() -> StrawberryConfig:
    """Return the settings of `strawberry.Schema`, with our scalars."""
    return StrawberryConfig(
        scalar_map={
            datetime: _DATE_TIME_SCALAR,
            DateTime: _DATE_TIME_SCALAR,
            PhoneNumber: strawberry.scalar(
                name="PhoneNumber",
                description=(
                    "A phone number in E.164 form: +14155550123. "
                    "Other spellings are refused, never guessed."
                ),
                specified_by_url="https://www.itu.int/rec/T-REC-E.164",
                serialize=_print_text,
                parse_value=parse_phone_number,
                parse_literal=_in_document(parse_phone_number),
            ),
            LanguageTag: strawberry.scalar(
                name="LanguageTag",
                description="A BCP 47 language tag.",
                specified_by_url="https://www.rfc-editor.org/info/bcp47",
                serialize=_print_text,
                parse_value=parse_language_tag,
                parse_literal=_in_document(parse_language_tag),
            ),
        }
    )
