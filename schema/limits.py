"The limits that this server applies. Read them here instead of writing them into a client."

from typing import Annotated

import strawberry

from models.limits import limits
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
    kind: Annotated[MediaKind, strawberry.argument(description="How the file is shown.")],
) -> int:
    return upload_bytes(root, kind)


@strawberry.type(
    description=(
        "How often one user may do something, over all of the user's devices: `limit` times at "
        "once. What was used comes back evenly, all of it within `seconds`. Beyond that the server "
        "returns a Refusal or an error with the code RATE_LIMITED and `retryAfterMs`."
    )
)
class Budget:
    name: str = strawberry.field(
        description="The budget's name, as in the reason of a refusal, for example sendsPerUser."
    )
    limit: int = strawberry.field(description="How many times at once.")
    seconds: int = strawberry.field(
        description=("After how many seconds a budget that was used up is full again.")
    )


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
@strawberry.type(
    description=(
        "The limits that this server applies. Read them here instead of writing them into a client."
    )
)
class Limits:
    group_members: int = strawberry.field(description="How many members a group can have.")
    message_length: int = strawberry.field(
        description=("How many characters a message's text can have.")
    )
    page_size: int = strawberry.field(description="How many items a page can have.")
    upload_bytes: int = strawberry.field(
        resolver=_upload_bytes,
        description=("How many bytes an uploaded file of this kind can have."),
    )
    query_depth: int = strawberry.field(
        description=(
            "How many levels of fields a document can have. `edges` is not counted as a level: "
            "`edges { node }` counts as `nodes` does."
        )
    )
    query_cost: int = strawberry.field(
        description=(
            "How much a document can cost. The cost is counted before execution: each object that "
            "the answer may hold costs 1, multiplied by the sizes of the pages that it is in. A "
            "page of 100 messages or channels, with all that a list shows, costs less than this."
        )
    )
    aliases: int = derived_field(
        lambda root: root.query_aliases,
        description=(
            "How many aliases a document can have. Aliases of `__typename` are not counted."
        ),
        graphql_type=int,
    )
    directives: int = derived_field(
        lambda root: root.query_directives,
        description="How many directives one place of a document can have.",
        graphql_type=int,
    )
    document_bytes: int = strawberry.field(
        description=("How many bytes a document's text can have, in UTF-8.")
    )
    edit_window_seconds: int = derived_field(
        lambda root: root.edit_window_s,
        description="For how many seconds after it was sent a message can be edited.",
        graphql_type=int,
    )
    media_per_message: int = strawberry.field(description="How many files a message can have.")
    mentions: int = strawberry.field(description="How many users one message can mention.")
    feature_level: int = derived_field(
        lambda _: FEATURE_LEVEL,
        description=(
            "The version of the API that this server has: a number that grows with each release "
            "that adds to the API. CHANGELOG.md says what came with which number. Clients that "
            "also talk to older servers query it, and use only what is there."
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
