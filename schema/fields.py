"""Fields whose value follows from their source alone, read by plans without a resolver."""

from collections.abc import Callable
from typing import Any

import strawberry

SHARED = {"shared": True}
# Shared, but not below another message (`replyTo`): the sender there may be somebody else.
OUTERMOST = {"shared": "outermost"}


def derived_field(
    make: Callable[[Any], Any],
    *,
    description: str,
    graphql_type: Any,
    shared: object = False,
    list_size: int | None = None,
) -> Any:
    """Make a field that `make` computes from the source, without waiting and without knowing the
    viewer. `list_size`: how many objects a list counts for in the cost of a document.
    """

    def resolve(root: strawberry.Parent[Any]) -> Any:
        return make(root)

    sizes = {} if list_size is None else {"list_size": list_size}
    return strawberry.field(
        resolver=resolve,
        description=description,
        graphql_type=graphql_type,
        metadata={"plan": make, "shared": shared, **sizes},
    )
