"""Groups: up to 100 people under a name."""

import strawberry

from models import channels, ids
from models.channels import MemberRole
from schema.channels import Channel
from schema.context import context_of
from schema.fields import SHARED
from schema.node import Node, global_id_field
from schema.sources import describes


async def _seats_left(
    root: strawberry.Parent[channels.Group | channels.GroupFacts], info: strawberry.Info
) -> int:
    return max(0, context_of(info).resources.limits.group_members - root.member_count)


@describes(channels.Group, channels.GroupFacts)
@strawberry.type(description="Up to 100 people under a name.")
class Group(Channel, Node):
    id: strawberry.ID = global_id_field(lambda group: ids.channel_global_id(group.id), shared=True)
    name: str = strawberry.field(description="What it is called.", metadata=SHARED)
    description: str | None = strawberry.field(description="What it is about.", metadata=SHARED)
    member_count: int = strawberry.field(description="How many are in it.", metadata=SHARED)
    seats_left: int = strawberry.field(
        resolver=_seats_left, description="How many may still join.", metadata=SHARED
    )
    viewer_role: MemberRole = strawberry.field(description="What the viewer may do.")
