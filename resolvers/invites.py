"""Invites: links that lead into a group; showing, making, using and ending them."""

from typing import Annotated

import strawberry

from models.groups import invites
from models.groups.invites import InvitePreview
from resolvers.groups import group_payload, require_group_id
from schema.budgets import spends
from schema.channels.groups import (
    CreateGroupInviteInput,
    CreateGroupInvitePayload,
    CreateGroupInviteResult,
    GroupInvitePreview,
    GroupPayload,
    GroupResult,
    JoinGroupInput,
)
from schema.context import context_of
from schema.refusals import Refusal, answers_refusals


@strawberry.type
class InviteQueries:
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
class InviteMutations:
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
        input: Annotated[
            JoinGroupInput, strawberry.argument(description=("The invite with which to join."))
        ],
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
        return await group_payload(context, channel_id, "inviteToken")

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
            require_group_id(input.group_id),
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
        return await group_payload(context, channel_id, "token")
