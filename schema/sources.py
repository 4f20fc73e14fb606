"""Which classes of `models` a GraphQL object type describes: resolvers return rows as they are.

A class may be described by several types only if no interface or union holds more than one of them:
the class alone says which type its objects have. The engine's plans read objects of exactly these
classes, or of the type itself.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from strawberry.types.base import get_object_definition

Type = TypeVar("Type", bound=type)

_MARK = "__describes__"


def describes(*sources: type) -> Callable[[Type], Type]:
    """Put above `@strawberry.type`: objects of these classes have this GraphQL type."""

    def mark(cls: Type) -> Type:
        accepted: tuple[type, ...] = (*sources, cls)

        def is_type_of(value: Any, _info: Any) -> bool:
            return isinstance(value, accepted)

        get_object_definition(cls, strict=True).is_type_of = is_type_of
        setattr(cls, _MARK, sources)
        return cls

    return mark


def sources_of(cls: type) -> tuple[type, ...] | None:
    """Return the classes that the type describes; None where it says nothing."""
    sources: tuple[type, ...] | None = vars(cls).get(_MARK)
    return sources
