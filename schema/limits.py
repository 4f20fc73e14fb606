"""The limits in force, so that no client hard-codes them."""

from typing import Annotated

import strawberry

from models import limits
from models.media.media import MediaKind
from models.media.upload_drafts import upload_bytes
from schema.fields import derived_field
from schema.sources import describes

# GraphQL's Int ends here.
MAX_INT = 2**31 - 1

# Raised by one with each release that adds to the API or deprecates some of it (CHANGELOG.md).
FEATURE_LEVEL = 2


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
    query_depth: int = strawberry.field(
        description=(
            "Levels of fields in a document. `edges` is no level: `edges { node }` counts as "
            "`nodes` does."
        )
    )
    query_cost: int = strawberry.field(
        description=(
            "The cost of a document, counted before it is executed: each object that the answer "
            "may hold is 1, times the size of the pages that it is in. A page of 100 messages or "
            "channels with all that a list shows stays below it."
        )
    )
    aliases: int = derived_field(
        lambda root: root.query_aliases,
        description="Aliases in a document. Those of `__typename` are not counted.",
        graphql_type=int,
    )
    directives: int = derived_field(
        lambda root: root.query_directives,
        description="Directives in one place of a document.",
        graphql_type=int,
    )
    document_bytes: int = strawberry.field(description="Bytes of a document's text, in UTF-8.")
    edit_window_seconds: int = derived_field(
        lambda root: root.edit_window_s,
        description="For how long after it was sent a message can be edited.",
        graphql_type=int,
    )
    media_per_message: int = strawberry.field(description="Files of a message.")
    mentions: int = strawberry.field(description="Users that one message can mention.")
    feature_level: int = derived_field(
        lambda _: FEATURE_LEVEL,
        description=(
            "The version of the API that this server speaks, a number that grows with each release "
            "that adds to the API. CHANGELOG.md says what came with which level. A client that can "
            "talk to older servers asks for it, and uses only what is there."
        ),
        graphql_type=int,
    )
    budgets: list[Budget] = strawberry.field(
        resolver=_budgets,
        description=(
            "The budgets of a user. Budgets of phone numbers and network addresses are not listed."
        ),
        metadata={"list_size": 25},
    )
