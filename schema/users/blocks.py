"""Blocks: what blocking somebody answers with."""

from typing import Annotated

import strawberry

from models.users import users
from schema.refusals import Refusal
from schema.users.users import User


@strawberry.type(description="They are blocked, or no longer.")
class SetBlockedPayload:
    user: users.User = strawberry.field(description="Whom it is about.", graphql_type=User)


SetBlockedResult = Annotated[
    SetBlockedPayload | Refusal,
    strawberry.union("SetBlockedResult", description="Whom it is about, or why it was refused."),
]
