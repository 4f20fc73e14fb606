"""Members: the users in a channel, and how far each has got in its log."""

from datetime import datetime
from typing import Any

import strawberry

from models import ids
from models.channels import members
from models.channels.members import MemberRole
from models.users import users
from schema.context import context_of
from schema.enums import describe_enum
from schema.fields import derived_field
from schema.global_ids import ObjectWithId, global_id_field
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

describe_enum(
    MemberRole,
    "A member's role. In a chat, both users are MEMBER.",
    {
        "MEMBER": "May read, send and react.",
        "ADMIN": (
            "May also change the group, add members, remove those who are MEMBER, create invites, "
            "and delete messages of others."
        ),
        "OWNER": "May also remove anyone and change roles.",
    },
)


@describes(members.MemberPosition)
@strawberry.type(description="How much of a channel's log a member has received and read.")
class MemberPosition:
    user_id: strawberry.ID = derived_field(
        lambda position: ids.user_global_id(position.user_id),
        description="The member's user id.",
        graphql_type=strawberry.ID,
    )
    delivered_seq: int = strawberry.field(
        description="The member has received all entries up to this seq."
    )
    read_seq: int = strawberry.field(
        description=(
            "The member has read all entries up to this seq. In a chat, 0 for the other user if "
            "either of the two hides read receipts. The viewer's own position is never hidden."
        )
    )


@describes(members.Member, members.MemberReference)
@strawberry.type(description="A user in a channel.")
class Member(ObjectWithId):
    id: strawberry.ID = global_id_field(
        lambda member: ids.member_global_id(member.channel_id, member.user_id)
    )

    @strawberry.field(description="The user.", graphql_type=User)
    async def user(
        root: strawberry.Parent[members.Member], info: strawberry.Info
    ) -> users.User | None:
        return await context_of(info).loaders.users.load(root.user_id)

    role: MemberRole = strawberry.field(
        description=("The member's role, which says what they may do.")
    )
    joined_at: datetime = strawberry.field(
        description="When the user joined; if they joined several times, the last time.",
        graphql_type=DateTime,
    )
    joined_seq: int = strawberry.field(
        description=(
            "The seq of the entry with which the user last joined; 1 in a chat. The user may "
            "see this entry and all later ones."
        )
    )
    position: members.MemberPosition = strawberry.field(
        description=(
            "The member's position at the time of the fetch. Later changes are sent live "
            "(ReceiptUpdated) only if they concern the viewer's own messages."
        ),
        graphql_type=MemberPosition,
    )


@describes(Edge)
@strawberry.type(description="A member in a page.")
class MemberEdge:
    cursor: str = strawberry.field(description="The cursor of this item, for `after`.")
    node: members.Member = strawberry.field(description="The member.", graphql_type=Member)


@describes(Page)
@strawberry.type(description="A page of members.")
class MemberConnection:
    edges: list[MemberEdge] = strawberry.field(description="The members with their cursors.")
    nodes: list[Member] = strawberry.field(description="The members.")
    page_info: PageInfo = strawberry.field(
        description="Whether there are more pages, and the cursors to fetch them."
    )


async def list_members_of(
    root: strawberry.Parent[Any],
    info: strawberry.Info,
    first: First = None,
    after: After = None,
) -> Page[members.Member]:
    """Resolve the members of a channel, by pages."""
    context = context_of(info)
    limits = context.resources.limits
    count = require_first(first, limits)
    found, more = await context.loaders.members.load(
        (root.id, count, parse_id_cursor(after, "after"))
    )
    places = [member.user_id for member in found]
    return make_next_page(found, places, id_cursor, after=after, more=more)
