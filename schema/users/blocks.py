"""Blocks: what blocking somebody answers with."""

from typing import Annotated

import strawberry

from models.users import users
from schema.refusals import Refusal
from schema.users.users import User


@strawberry.type(description="The answer if the user was blocked or unblocked.")
class SetBlockedPayload:
    user: users.User = strawberry.field(
        description="The user that was blocked or unblocked.", graphql_type=User
    )


SetBlockedResult = Annotated[
    SetBlockedPayload | Refusal,
    strawberry.union("SetBlockedResult", description="The user, or a Refusal."),
]
