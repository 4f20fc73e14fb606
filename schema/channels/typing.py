"""Typing: what `setTyping` answers with."""

from datetime import datetime
from typing import Annotated

import strawberry

from schema.refusals import Refusal
from schema.scalars import DateTime


@strawberry.type(
    description="The answer if the other members were told, now or within the last seconds."
)
class SetTypingPayload:
    expires_at: datetime = strawberry.field(
        description=(
            "When clients stop showing that the viewer types. Call setTyping again before that "
            "while the viewer goes on typing. The other members are told at most once in three "
            "seconds."
        ),
        graphql_type=DateTime,
    )


SetTypingResult = Annotated[
    SetTypingPayload | Refusal,
    strawberry.union("SetTypingResult", description="When typing ends, or a Refusal."),
]
