"""Receipts: how far each of a message's audience has got with it."""

from datetime import datetime

import strawberry

from models.messages import receipts
from models.users import users
from schema.context import context_of
from schema.paging import Edge, Page, PageInfo
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
