"""Absent input fields: the mark that Strawberry gives them, turned into the one of `models`."""

from typing import TypeVar

import strawberry
from msgspec import UNSET, UnsetType

from models.refusals import invalid

Value = TypeVar("Value")


def given(value: Value) -> Value | UnsetType:
    """Return what a client sent for a field: a value, None for null, UNSET if it was absent."""
    return UNSET if value is strawberry.UNSET else value


def given_setting(value: Value | None, field: str) -> Value | UnsetType:
    """Return what the client sent for a setting, which has no null; UNSET where it was absent.

    Raises:
        Refused: INVALID_INPUT naming `field`, for null.
    """
    if value is strawberry.UNSET:
        return UNSET
    if value is None:
        raise invalid("This setting cannot be cleared.", field)
    return value
