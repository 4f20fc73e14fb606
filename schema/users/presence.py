"""Presence: whether a person is online, or when they were last seen."""

from datetime import datetime

import strawberry

from models import ids
from models.users import presence, users
from schema.fields import derived_field
from schema.scalars import DateTime
from schema.sources import describes
from schema.users.references import user_reference_field


@describes(presence.Presence)
@strawberry.type(
    description=(
        "Whether a user is online. A user is online while one of their devices has an open "
        "socket or stream, and for half a minute after a request."
    )
)
class Presence:
    user_id: strawberry.ID = derived_field(
        lambda seen: ids.user_global_id(seen.user_id),
        description="The user's id.",
        graphql_type=strawberry.ID,
    )
    online: bool = strawberry.field(
        description="Whether the user is online.", metadata={"plan": "online"}
    )
    last_seen_at: datetime | None = strawberry.field(
        description=(
            "When the user was last online. Null while they are online, or if they never were."
        ),
        graphql_type=DateTime | None,
        metadata={"plan": "last_seen_at"},
    )
    user: users.User | None = user_reference_field(shared=False)
