"""Receipts: how far each of a message's audience has got with it."""

from datetime import datetime

import strawberry

from models.messages import messages, receipts
from models.users import users
from schema.context import context_of
from schema.paging import (
    After,
    Edge,
    First,
    Page,
    PageInfo,
    id_cursor,
    make_next_page,
    parse_id_cursor,
    require_first,
)
from schema.scalars import DateTime
from schema.sources import describes
from schema.users.users import User


@describes(receipts.Receipt)
@strawberry.type(
    description="Whether and when one member of a message's audience has received and read it."
)
class Receipt:
    @strawberry.field(description="The user.", graphql_type=User)
    async def user(
        root: strawberry.Parent[receipts.Receipt], info: strawberry.Info
    ) -> users.User | None:
        return await context_of(info).loaders.users.load(root.user_id)

    delivered_at: datetime | None = strawberry.field(
        description="When the member received the message. Null if they have not.",
        graphql_type=DateTime | None,
    )
    read_at: datetime | None = strawberry.field(
        description=(
            "When the member read the message. Null if they have not, and in a chat if either "
            "user hides read receipts."
        ),
        graphql_type=DateTime | None,
    )


@describes(Edge)
@strawberry.type(description="A receipt in a page.")
class ReceiptEdge:
    cursor: str = strawberry.field(description="The cursor of this item, for `after`.")
    node: receipts.Receipt = strawberry.field(description="The receipt.", graphql_type=Receipt)


@describes(Page)
@strawberry.type(description="A page of receipts, in the order of the users' ids.")
class ReceiptConnection:
    edges: list[ReceiptEdge] = strawberry.field(description="The receipts with their cursors.")
    nodes: list[Receipt] = strawberry.field(description="The receipts.")
    page_info: PageInfo = strawberry.field(
        description="Whether there are more pages, and the cursors to fetch them."
    )


async def list_receipts_of(
    root: strawberry.Parent[messages.Message],
    info: strawberry.Info,
    first: First = None,
    after: After = None,
) -> Page[receipts.Receipt] | None:
    """Resolve the receipts of a message, by pages; None for all but its sender."""
    context = context_of(info)
    if root.sender_id != context.require_viewer().user.id:
        return None
    limits = context.resources.limits
    found, more = await context.loaders.receipts.load(
        (
            root.channel_id,
            root.seq,
            require_first(first, limits),
            parse_id_cursor(after, "after"),
        )
    )
    places = [receipt.user_id for receipt in found]
    return make_next_page(found, places, id_cursor, after=after, more=more)
