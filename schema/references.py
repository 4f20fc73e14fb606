"""Fields that lead from an event to an object: not read where a client only writes its cache, which
takes the object's id and type.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

import strawberry
from strawberry.types.nodes import SelectedField, Selection


class NotKnown(Exception):
    """The source does not say enough for a reference: the object has to be read."""


def reference_field(
    make: Callable[[Any], Any],
    load: Callable[[Any, strawberry.Info], Awaitable[Any]],
    *,
    known: frozenset[str],
    shared: object,
    description: str,
    graphql_type: Any,
) -> Any:
    """Define a field that gives what `make` makes of the source where only fields in `known` are
    selected of it, and else what `load` reads.

    A plan takes what `make` gives, and fails where another field is selected, or where `make`
    raises NotKnown: a reference has no other attributes. Then the resolver is asked.
    """
    enough = known | {"__typename"}

    async def resolve(root: strawberry.Parent[Any], info: strawberry.Info) -> Any:
        asked = {
            name for field in info.selected_fields for name in selected_names(field.selections)
        }
        if asked <= enough:
            try:
                return make(root)
            except NotKnown:
                pass
        return await load(root, info)

    return strawberry.field(
        resolver=resolve,
        description=description,
        graphql_type=graphql_type,
        metadata={"plan": make, "shared": shared},
    )


def selected_names(selections: Iterable[Selection]) -> Iterator[str]:
    """Return the names of the selected fields, including those of fragments."""
    for selection in selections:
        if isinstance(selection, SelectedField):
            yield selection.name
        else:
            yield from selected_names(selection.selections)
