"""Groups: making, changing and leaving one."""

from collections.abc import Sequence
from typing import Annotated

import strawberry

from models import ids
from models.channels.channels import Group, find_channel
from models.groups import groups, membership
from models.groups.groups import GroupChanges, GroupDraft
from models.groups.locking import no_such_group
from resolvers.media import given_avatar
from schema.absent import given
from schema.budgets import spends
from schema.channels.groups import (
    CreateGroupInput,
    GroupPayload,
    GroupResult,
    LeaveGroupPayload,
    LeaveGroupResult,
    UpdateGroupInput,
)
from schema.context import Context, context_of
from schema.global_ids import require_user_id
from schema.refusals import Refusal, answers_refusals

GroupId = Annotated[
    strawberry.ID, strawberry.argument(description="A group that the viewer is in.")
]


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
            member_ids=require_user_ids(input.member_ids, "memberIds"),
            client_group_id=input.client_group_id,
            avatar_id=given_avatar(input.avatar_media_id) or None,
        )
        channel_id = await groups.create_group(
            resources.database, draft, limits=resources.limits, publish=resources.publish
        )
        return await group_payload(context, channel_id, "clientGroupId")

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
        channel_id = require_group_id(input.group_id)
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
        return await group_payload(context, channel_id)

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
        channel_id = require_group_id(group_id)
        await membership.leave_group(
            context.resources.database,
            context.require_viewer().user.id,
            channel_id,
            publish=context.resources.publish,
        )
        return LeaveGroupPayload(group_id=strawberry.ID(ids.channel_global_id(channel_id)))


async def group_payload(context: Context, channel_id: str, field: str = "groupId") -> GroupPayload:
    """Return the group as it is after the mutation, unless the viewer is no longer in it."""
    # Of an operation's several mutations, each shows what it left behind.
    context.forget_loaded()
    viewer_id = context.require_viewer().user.id
    group = await find_channel(context.resources.database, viewer_id, channel_id)
    if not isinstance(group, Group):
        raise no_such_group(field)
    return GroupPayload(group=group)


def require_group_id(group_id: str) -> str:
    """Return the inner id of a group's global id.

    Raises:
        Refused: NOT_FOUND.
    """
    channel_id = ids.parse_plain("chn", group_id)
    if channel_id is None:
        raise no_such_group()
    return channel_id


def require_user_ids(user_ids: Sequence[str], field: str) -> list[str]:
    """Return the inner ids of users' global ids.

    Raises:
        Refused: NOT_FOUND, with the first that is no user's id as its field.
    """
    return [require_user_id(user_id, f"{field}.{place}") for place, user_id in enumerate(user_ids)]
