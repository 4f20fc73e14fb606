"""Members: adding users to a group, removing them, and changing their roles."""

from typing import Annotated

import strawberry

from models import ids
from models.channels.members import MemberRole
from models.groups import membership
from resolvers.groups import GroupId, group_payload, require_group_id, require_user_ids
from schema.budgets import spends
from schema.channels.groups import (
    GroupPayload,
    GroupResult,
)
from schema.context import context_of
from schema.refusals import Refusal, answers_refusals


@strawberry.type
class MemberMutations:
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
        channel_id = require_group_id(group_id)
        await membership.add_members(
            resources.database,
            context.require_viewer().user.id,
            channel_id,
            require_user_ids(user_ids, "userIds"),
            limits=resources.limits,
            publish=resources.publish,
        )
        return await group_payload(context, channel_id)

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
        channel_id = require_group_id(group_id)
        await membership.remove_member(
            context.resources.database,
            context.require_viewer().user.id,
            channel_id,
            _inner_user_id(user_id),
            publish=context.resources.publish,
        )
        return await group_payload(context, channel_id)

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
        channel_id = require_group_id(group_id)
        await membership.set_member_role(
            context.resources.database,
            context.require_viewer().user.id,
            channel_id,
            _inner_user_id(user_id),
            role,
            publish=context.resources.publish,
        )
        return await group_payload(context, channel_id)


def _inner_user_id(user_id: str) -> str:
    """Return the user's inner id. For what is no user's id, return one that nobody has: a viewer
    who may not ask at all is told so first.
    """
    return ids.parse_plain("usr", user_id) or "0" * 32
