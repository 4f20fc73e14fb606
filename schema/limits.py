"""The limits in force, so that no client hard-codes them."""

import strawberry

from models import limits
from schema.sources import describes


@describes(limits.Limits)
@strawberry.type(description="The limits in force, so that no client hard-codes them.")
class Limits:
    group_members: int = strawberry.field(description="Members of a group.")
    message_length: int = strawberry.field(description="Characters of a message's text.")
    page_size: int = strawberry.field(description="Edges of a page.")
    query_depth: int = strawberry.field(description="Levels of fields in a document.")
    query_cost: int = strawberry.field(
        description=(
            "The cost of a document: a field is 1, times the size of the pages that it is in."
        )
    )
