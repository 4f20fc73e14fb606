"""The limits in force, so that no client hard-codes them."""

from typing import Annotated

import strawberry

from models import limits
from models.media.media import MediaKind
from models.media.upload_drafts import upload_bytes
from schema.sources import describes

# GraphQL's Int ends here.
MAX_INT = 2**31 - 1


def _upload_bytes(
    root: strawberry.Parent[limits.Limits],
    kind: Annotated[MediaKind, strawberry.argument(description="What the file is shown as.")],
) -> int:
    return upload_bytes(root, kind)


@strawberry.type(
    description=(
        "How often one user may do something, over all of the user's devices. `limit` times "
        "at once; what was used comes back evenly, all of it within `seconds`. Beyond that "
        "the server returns a Refusal or an error with the code RATE_LIMITED and "
        "`retryAfterMs`."
    )
)
class Budget:
    name: str = strawberry.field(
        description="What is counted, as in the reason of a refusal: sendsPerUser."
    )
    limit: int = strawberry.field(description="How many at once.")
    seconds: int = strawberry.field(description="How long until all of it is back.")


def _budgets(root: strawberry.Parent[limits.Limits]) -> list[Budget]:
    return [
        Budget(
            name=limits.name_of(name),
            limit=min(budget.amount, MAX_INT),
            seconds=min(budget.window_s, MAX_INT),
        )
        for name, budget in limits.list_budgets(root).items()
        if name.endswith("_per_user")
    ]


@describes(limits.Limits)
@strawberry.type(description="The limits in force, so that no client hard-codes them.")
class Limits:
    group_members: int = strawberry.field(description="Members of a group.")
    message_length: int = strawberry.field(description="Characters of a message's text.")
    page_size: int = strawberry.field(description="Edges of a page.")
    upload_bytes: int = strawberry.field(
        resolver=_upload_bytes, description="Bytes of an uploaded file of this kind."
    )
    query_depth: int = strawberry.field(description="Levels of fields in a document.")
    query_cost: int = strawberry.field(
        description=(
            "The cost of a document: a field is 1, times the size of the pages that it is in."
        )
    )
    budgets: list[Budget] = strawberry.field(
        resolver=_budgets,
        description=(
            "The budgets of a user. Budgets of phone numbers and network addresses are not listed."
        ),
        metadata={"list_size": 25},
    )
