"""Typing: what `setTyping` answers with."""

from datetime import datetime
from typing import Annotated

import strawberry

from schema.refusals import Refusal
from schema.scalars import DateTime


@strawberry.type(description="The other members were told, or had been just before.")
class SetTypingPayload:
    expires_at: datetime = strawberry.field(
        description=(
            "When they take it back by themselves; say it again before, as long as it goes on. "
            "They are told at most once in three seconds."
        ),
        graphql_type=DateTime,
    )


SetTypingResult = Annotated[
    SetTypingPayload | Refusal,
    strawberry.union(
        "SetTypingResult", description="When it ends by itself, or why it was refused."
    ),
]
