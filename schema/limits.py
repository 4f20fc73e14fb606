"""The limits in force, so that no client hard-codes them."""

from typing import Annotated

import strawberry

from models import limits
from models.media import MediaKind
from models.upload_drafts import upload_bytes
from schema.sources import describes


def _upload_bytes(
    root: strawberry.Parent[limits.Limits],
    kind: Annotated[MediaKind, strawberry.argument(description="What the file is shown as.")],
) -> int:
    return upload_bytes(root, kind)


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
