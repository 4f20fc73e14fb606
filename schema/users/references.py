"""From an event to the user whom it is about."""

from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from models.users import users
from schema.context import context_of
from schema.references import reference_field

if TYPE_CHECKING:
    # It has a presence, which leads back here.
    from schema.users.users import User


async def _load(root: Any, info: strawberry.Info) -> users.User | None:
    return await context_of(info).resources.event_loads.users.find(root.user_id)


def user_reference_field(*, shared: bool) -> Any:
    """Define the field of an event that gives the user of its `user_id`."""
    return reference_field(
        lambda event: users.UserReference(event.user_id),
        _load,
        known=frozenset({"id"}),
        shared=shared,
        description=(
            "The user, as of the event. For caches: its `id` costs nothing; other fields are read."
        ),
        graphql_type=Annotated["User", strawberry.lazy("schema.users.users")] | None,
    )
