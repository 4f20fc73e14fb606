"""Groups: making and changing them, who is in them, and the links that lead into them."""

from collections.abc import Sequence
from typing import Annotated

import strawberry

from models import ids
from models.channels.channels import Group, find_channel
from models.channels.members import MemberRole
from models.groups import groups, invites, membership
from models.groups.groups import GroupChanges, GroupDraft
from models.groups.invites import InvitePreview
from models.groups.locking import no_such_group
from models.refusals import not_found
from resolvers.media import given_avatar
from schema.absent import given
from schema.budgets import spends
from schema.channels.groups import (
    CreateGroupInput,
    CreateGroupInviteInput,
    CreateGroupInvitePayload,
    CreateGroupInviteResult,
    GroupInvitePreview,
    GroupPayload,
    GroupResult,
    JoinGroupInput,
    LeaveGroupPayload,
    LeaveGroupResult,
    UpdateGroupInput,
)
from schema.context import Context, context_of
from schema.refusals import Refusal, answers_refusals

GroupId = Annotated[
    strawberry.ID, strawberry.argument(description="A group that the viewer is in.")
]


@strawberry.type
class GroupQueries:
    @strawberry.field(
        description=(
            "Shows the group that an invite leads to, without joining it. Null if the invite "
            "does not exist, has expired, is used up or was revoked, or if the group is closed."
        ),
        graphql_type=GroupInvitePreview | None,
    )
    async def group_invite(
        self,
        info: strawberry.Info,
        token: Annotated[str, strawberry.argument(description="The token of an invite.")],
    ) -> InvitePreview | None:
        context = context_of(info)
        context.require_viewer()
        return await invites.find_preview(context.resources.database, token)


@strawberry.type
class GroupMutations:
    @strawberry.mutation(
        description=(
            "Creates a group. The viewer becomes its owner and the named users its members. If "
            "one of them does not exist (NOT_FOUND) or may not be added (FORBIDDEN), no group "
            "is created, and the refusal's `field` names the first such user. Safe to repeat "
            "with the same `clientGroupId`."
        ),
        graphql_type=GroupResult,
    )
    @answers_refusals
    @spends("groups_created_per_user")
    @spends("members_added_per_user", lambda input: len(input.member_ids), of="input")
    async def create_group(
        self,
        info: strawberry.Info,
        input: Annotated[CreateGroupInput, strawberry.argument(description="The group.")],
    ) -> GroupPayload | Refusal:
        context = context_of(info)
        resources = context.resources
        draft = GroupDraft(
            creator_id=context.require_viewer().user.id,
            name=input.name,
            description=input.description,
            member_ids=_require_user_ids(input.member_ids, "memberIds"),
            client_group_id=input.client_group_id,
            avatar_id=given_avatar(input.avatar_media_id) or None,
        )
        channel_id = await groups.create_group(
            resources.database, draft, limits=resources.limits, publish=resources.publish
        )
        return await _payload(context, channel_id, "clientGroupId")

    @strawberry.mutation(
        description=(
            "Changes a group's name, description or picture. Only owners and admins may do "
            "this. Adds one entry to the log, and none if nothing changed."
        ),
        graphql_type=GroupResult,
    )
    @answers_refusals
    @spends("group_changes_per_user")
    async def update_group(
        self,
        info: strawberry.Info,
        input: Annotated[UpdateGroupInput, strawberry.argument(description="What to change.")],
    ) -> GroupPayload | Refusal:
        context = context_of(info)
        resources = context.resources
        channel_id = _require_group_id(input.group_id)
        await groups.update_group(
            resources.database,
            context.require_viewer().user.id,
            channel_id,
            GroupChanges(
                given(input.name), given(input.description), given_avatar(input.avatar_media_id)
            ),
            limits=resources.limits,
            publish=resources.publish,
        )
        return await _payload(context, channel_id)

    @strawberry.mutation(
        description=(
            "Joins a group by an invite. A viewer who is already a member gets the group, and "
            "the invite's uses are not counted. INVITE_EXPIRED if the invite is no longer "
            "valid."
        ),
        graphql_type=GroupResult,
    )
    @answers_refusals
    @spends("groups_joined_per_user")
    async def join_group(
        self,
        info: strawberry.Info,
        input: Annotated[JoinGroupInput, strawberry.argument(description="Which link to use.")],
    ) -> GroupPayload | Refusal:
        context = context_of(info)
        resources = context.resources
        channel_id = await invites.join_group(
            resources.database,
            context.require_viewer().user.id,
            input.invite_token,
            limits=resources.limits,
            publish=resources.publish,
        )
        return await _payload(context, channel_id, "inviteToken")

    @strawberry.mutation(
        description=(
            "Leaves a group. If the viewer was its last owner, the admin who has been in it "
            "longest becomes owner; without admins, the member who has. When the last member "
            "leaves, the group is closed and its invites end."
        ),
        graphql_type=LeaveGroupResult,
    )
    @answers_refusals
    @spends("group_changes_per_user")
    async def leave_group(
        self, info: strawberry.Info, group_id: GroupId
    ) -> LeaveGroupPayload | Refusal:
        context = context_of(info)
        channel_id = _require_group_id(group_id)
        await membership.leave_group(
            context.resources.database,
            context.require_viewer().user.id,
            channel_id,
            publish=context.resources.publish,
        )
        return LeaveGroupPayload(group_id=strawberry.ID(ids.channel_global_id(channel_id)))

    @strawberry.mutation(
        description=(
            "Adds users to a group. Only owners and admins may do this. Users who are already "
            "members are skipped. If one user does not exist (NOT_FOUND) or may not be added "
            "(FORBIDDEN), nobody is added, and the refusal's `field` names the first such user."
        ),
        graphql_type=GroupResult,
    )
    @answers_refusals
    @spends("members_added_per_user", len, of="user_ids")
    async def add_members(
        self,
        info: strawberry.Info,
        group_id: GroupId,
        user_ids: Annotated[
            list[strawberry.ID], strawberry.argument(description="The users to add. At most 99.")
        ],
    ) -> GroupPayload | Refusal:
        context = context_of(info)
        resources = context.resources
        channel_id = _require_group_id(group_id)
        await membership.add_members(
            resources.database,
            context.require_viewer().user.id,
            channel_id,
            _require_user_ids(user_ids, "userIds"),
            limits=resources.limits,
            publish=resources.publish,
        )
        return await _payload(context, channel_id)

    @strawberry.mutation(
        description=(
            "Removes a member from a group. Owners may remove anyone, admins only members who "
            "are neither owner nor admin. To remove oneself is INVALID_INPUT: use leaveGroup."
        ),
        graphql_type=GroupResult,
    )
    @answers_refusals
    @spends("group_changes_per_user")
    async def remove_member(
        self,
        info: strawberry.Info,
        group_id: GroupId,
        user_id: Annotated[strawberry.ID, strawberry.argument(description="The user to remove.")],
    ) -> GroupPayload | Refusal:
        context = context_of(info)
        channel_id = _require_group_id(group_id)
        await membership.remove_member(
            context.resources.database,
            context.require_viewer().user.id,
            channel_id,
            _inner_user_id(user_id),
            publish=context.resources.publish,
        )
        return await _payload(context, channel_id)

    @strawberry.mutation(
        description=(
            "Changes a member's role. Only owners may do this. LAST_OWNER if the group would be "
            "left without an owner. Adds one entry to the log, and none if nothing changed."
        ),
        graphql_type=GroupResult,
    )
    @answers_refusals
    @spends("group_changes_per_user")
    async def set_member_role(
        self,
        info: strawberry.Info,
        group_id: GroupId,
        user_id: Annotated[strawberry.ID, strawberry.argument(description="A member.")],
        role: Annotated[MemberRole, strawberry.argument(description="Their new role.")],
    ) -> GroupPayload | Refusal:
        context = context_of(info)
        channel_id = _require_group_id(group_id)
        await membership.set_member_role(
            context.resources.database,
            context.require_viewer().user.id,
            channel_id,
            _inner_user_id(user_id),
            role,
            publish=context.resources.publish,
        )
        return await _payload(context, channel_id)

    @strawberry.mutation(
        description=(
            "Creates an invite to a group. Only owners and admins may do this. A group can have "
            "at most 20 valid invites at once; one more is INVALID_INPUT."
        ),
        graphql_type=CreateGroupInviteResult,
    )
    @answers_refusals
    @spends("group_changes_per_user")
    async def create_group_invite(
        self,
        info: strawberry.Info,
        input: Annotated[CreateGroupInviteInput, strawberry.argument(description="The invite.")],
    ) -> CreateGroupInvitePayload | Refusal:
        context = context_of(info)
        resources = context.resources
        invite = await invites.create_invite(
            resources.database,
            context.require_viewer().user.id,
            _require_group_id(input.group_id),
            expires_at=input.expires_at,
            max_uses=input.max_uses,
            limits=resources.limits,
            publish=resources.publish,
        )
        return CreateGroupInvitePayload(invite=invite)

    @strawberry.mutation(
        description=(
            "Ends an invite. Only owners and admins of its group may do this. Safe to repeat."
        ),
        graphql_type=GroupResult,
    )
    @answers_refusals
    @spends("group_changes_per_user")
    async def revoke_group_invite(
        self,
        info: strawberry.Info,
        token: Annotated[str, strawberry.argument(description="The token of an invite.")],
    ) -> GroupPayload | Refusal:
        context = context_of(info)
        channel_id = await invites.revoke_invite(
            context.resources.database,
            context.require_viewer().user.id,
            token,
            publish=context.resources.publish,
        )
        return await _payload(context, channel_id, "token")


async def _payload(context: Context, channel_id: str, field: str = "groupId") -> GroupPayload:
    """Return the group as it is after the mutation, unless the viewer is no longer in it."""
    # Of an operation's several mutations, each shows what it left behind.
    context.forget_loaded()
    viewer_id = context.require_viewer().user.id
    group = await find_channel(context.resources.database, viewer_id, channel_id)
    if not isinstance(group, Group):
        raise no_such_group(field)
    return GroupPayload(group=group)


def _require_group_id(group_id: str) -> str:
    channel_id = ids.parse_plain("chn", group_id)
    if channel_id is None:
        raise no_such_group()
    return channel_id


def _require_user_ids(user_ids: Sequence[str], field: str) -> list[str]:
    inner_ids = []
    for place, user_id in enumerate(user_ids):
        inner_id = ids.parse_plain("usr", user_id)
        if inner_id is None:
            raise not_found("There is no such user.", f"{field}.{place}")
        inner_ids.append(inner_id)
    return inner_ids


def _inner_user_id(user_id: str) -> str:
    """Return the user's inner id. For what is no user's id, return one that nobody has: a viewer
    who may not ask at all is told so first.
    """
    return ids.parse_plain("usr", user_id) or "0" * 32
