"""Groups: up to 100 people under a name, and the links that lead into one."""

from datetime import datetime
from typing import Annotated

import strawberry

from models import ids
from models.channels import channels
from models.channels.members import MemberRole
from models.groups import invites
from models.media import media
from models.users import users
from schema.channels.channels import Channel
from schema.context import context_of
from schema.fields import SHARED, derived_field
from schema.global_ids import ObjectWithId, global_id_field
from schema.media.media import Media
from schema.refusals import Refusal
from schema.scalars import DateTime
from schema.sources import describes
from schema.users.users import User


def _seats_left(info: strawberry.Info, member_count: int) -> int:
    return max(0, context_of(info).resources.limits.group_members - member_count)


@describes(invites.Invite)
@strawberry.type(description="An invite to a group. Everyone who has its token may join.")
class GroupInvite:
    token: str = strawberry.field(
        description=(
            "The secret for `joinGroup` and `groupInvite`. Give it only to people who may join."
        )
    )
    group_id: strawberry.ID = derived_field(
        lambda invite: ids.channel_global_id(invite.channel_id),
        description="The group that it leads into.",
        graphql_type=strawberry.ID,
    )
    created_at: datetime = strawberry.field(
        description="When the invite was created.", graphql_type=DateTime
    )

    @strawberry.field(description="The user who created the invite.", graphql_type=User)
    async def created_by(
        root: strawberry.Parent[invites.Invite], info: strawberry.Info
    ) -> users.User | None:
        return await context_of(info).loaders.users.load(root.created_by_id)

    expires_at: datetime | None = strawberry.field(
        description="When the invite expires. Null if it does not expire.",
        graphql_type=DateTime | None,
    )
    uses_left: int | None = strawberry.field(
        description="How often the invite can still be used. Null if there is no limit."
    )


async def _group_seats_left(
    root: strawberry.Parent[channels.Group | channels.GroupFacts], info: strawberry.Info
) -> int:
    return _seats_left(info, root.member_count)


async def _invites(
    root: strawberry.Parent[channels.Group], info: strawberry.Info
) -> list[invites.Invite] | None:
    if root.viewer_role < MemberRole.ADMIN:
        return None
    return await context_of(info).loaders.invites.load(root.id)


@describes(channels.Group, channels.GroupFacts, channels.GroupReference)
@strawberry.type(description="A channel with a name, for up to 100 users.")
class Group(Channel, ObjectWithId):
    id: strawberry.ID = global_id_field(lambda group: ids.channel_global_id(group.id), shared=True)
    name: str = strawberry.field(
        description="The group's name, 1 to 100 characters.", metadata=SHARED
    )
    description: str | None = strawberry.field(
        description="The group's description, at most 500 characters. Null if there is none.",
        metadata=SHARED,
    )
    avatar: media.Media | None = strawberry.field(
        description="The group's picture. Null if there is none.",
        graphql_type=Media | None,
        metadata=SHARED,
    )
    title: str = derived_field(
        lambda group: group.name,
        description="What it is called: what to show as the channel's name.",
        graphql_type=str,
        shared=True,
    )
    picture: media.Media | None = derived_field(
        lambda group: group.avatar,
        description="The group's picture: what to show as the channel's. Null if there is none.",
        graphql_type=Media | None,
        shared=True,
    )
    member_count: int = strawberry.field(description="The number of members.", metadata=SHARED)
    seats_left: int = strawberry.field(
        resolver=_group_seats_left, description="How many more users may join.", metadata=SHARED
    )
    viewer_role: MemberRole = strawberry.field(description="The viewer's role in the group.")

    invites: list[GroupInvite] | None = strawberry.field(
        resolver=_invites,
        description=(
            "The valid invites, newest first. At most 20. Null if the viewer is neither owner "
            "nor admin."
        ),
        graphql_type=list[GroupInvite] | None,
    )


async def _preview_seats_left(
    root: strawberry.Parent[invites.InvitePreview], info: strawberry.Info
) -> int:
    return _seats_left(info, root.member_count)


@describes(invites.InvitePreview)
@strawberry.type(description="What an invite shows of its group to someone who has not joined.")
class GroupInvitePreview:
    name: str = strawberry.field(description="The group's name.")
    member_count: int = strawberry.field(description="The number of members.")
    seats_left: int = strawberry.field(
        resolver=_preview_seats_left, description="How many more users may join."
    )
    avatar: media.Media | None = strawberry.field(
        description="The group's picture.", graphql_type=Media | None
    )


@strawberry.input(description="A new group. The viewer becomes its owner.")
class CreateGroupInput:
    name: str = strawberry.field(
        description="The group's name: 1 to 100 characters in one line, none of them invisible."
    )
    description: str | None = strawberry.field(
        description=(
            "The group's description, at most 500 characters. A blank text counts as none."
        ),
        default=None,
    )
    avatar_media_id: strawberry.ID | None = strawberry.field(
        description="The group's picture: a READY file of kind IMAGE that the viewer can see.",
        default=None,
    )
    member_ids: list[strawberry.ID] = strawberry.field(
        description="The other members. At most 99. If one cannot be added, no group is created."
    )
    client_group_id: strawberry.ID | None = strawberry.field(
        description=(
            "An id made by the client, at most 64 characters. It makes createGroup safe to "
            "repeat: the same id with the same input returns the first group; with another "
            "input, CONFLICT."
        ),
        default=None,
    )


@strawberry.input(
    description=(
        "What to change of a group. A field that is left out stays as it is; null clears it."
    )
)
class UpdateGroupInput:
    group_id: strawberry.ID = strawberry.field(
        description="A group of which the viewer is an owner or admin."
    )
    name: str | None = strawberry.field(
        description=(
            "The new name: 1 to 100 characters in one line, none of them invisible. It cannot be "
            "cleared."
        ),
        default=strawberry.UNSET,
    )
    description: str | None = strawberry.field(
        description=(
            "The new description, at most 500 characters. Null or a blank text clears it."
        ),
        default=strawberry.UNSET,
    )
    avatar_media_id: strawberry.ID | None = strawberry.field(
        description=(
            "The new picture: a READY file of kind IMAGE that the viewer can see. Null removes the "
            "picture."
        ),
        default=strawberry.UNSET,
    )


@strawberry.input(description="The invite with which to join.")
class JoinGroupInput:
    invite_token: str = strawberry.field(description="The token of an invite.")


@strawberry.input(description="A new invite to a group.")
class CreateGroupInviteInput:
    group_id: strawberry.ID = strawberry.field(
        description="A group of which the viewer is an owner or admin."
    )
    expires_at: datetime | None = strawberry.field(
        description=(
            "When the invite expires: a time in the future. Without it, the invite does not expire."
        ),
        graphql_type=DateTime | None,
        default=None,
    )
    max_uses: int | None = strawberry.field(
        description=(
            "How often the invite can be used, 1 to 1,000. Without it, there is no limit."
        ),
        default=None,
    )


@strawberry.type(description="The answer if the mutation succeeded, or had nothing to change.")
class GroupPayload:
    group: channels.Group = strawberry.field(
        description="The group as it is now.", graphql_type=Group
    )


GroupResult = Annotated[
    GroupPayload | Refusal,
    strawberry.union("GroupResult", description="The group, or a Refusal."),
]


@strawberry.type(description="The answer if the viewer has left the group.")
class LeaveGroupPayload:
    group_id: strawberry.ID = strawberry.field(description="The group that was left.")


LeaveGroupResult = Annotated[
    LeaveGroupPayload | Refusal,
    strawberry.union(
        "LeaveGroupResult", description=("The id of the group that was left, or a Refusal.")
    ),
]


@strawberry.type(description="The answer if the invite was created.")
class CreateGroupInvitePayload:
    invite: invites.Invite = strawberry.field(
        description="The new invite.", graphql_type=GroupInvite
    )


CreateGroupInviteResult = Annotated[
    CreateGroupInvitePayload | Refusal,
    strawberry.union("CreateGroupInviteResult", description="The new invite, or a Refusal."),
]
