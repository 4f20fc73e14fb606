"""Enums of `models` as GraphQL enums: by their members' names, every value with a description."""

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

EnumClass = TypeVar("EnumClass", bound=type[Enum])


def describe_enum(
    cls: EnumClass, description: str, values: Mapping[str, str], *, name: str | None = None
) -> EnumClass:
    """Make the class usable in annotations of the schema; `values` describes members by name."""
    missing = set(cls.__members__) ^ set(values)
    if missing:
        raise TypeError(f"{cls.__name__}: no description, or no member: {sorted(missing)}")
    strawberry.enum(cls, name=name, description=description)
    definition: StrawberryEnumDefinition = cls.__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        value.description = values[value.name]
    return cls
