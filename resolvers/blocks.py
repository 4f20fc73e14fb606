"""Blocks: whom the viewer has blocked, and blocking."""

from datetime import UTC, datetime
from typing import Annotated

import strawberry

from models import ids
from models.channels.blocks import page_blocked_users, set_blocked
from models.log.signals import Signalled, ViewerChanged
from models.users import users
from schema.budgets import spends
from schema.context import context_of
from schema.global_ids import require_user_id
from schema.paging import (
    After,
    First,
    Page,
    block_cursor,
    make_next_page,
    parse_block_cursor,
    require_first,
)
from schema.refusals import Refusal, answers_refusals
from schema.users.blocks import SetBlockedPayload, SetBlockedResult
from schema.users.users import UserConnection


@strawberry.type
class BlockQueries:
    @strawberry.field(
        name="blockedUsers",
        description=(
            "The users that the viewer has blocked, most recently blocked first. At most 1,000 in "
            "all. 50 in a page by default."
        ),
        graphql_type=UserConnection | None,
    )
    async def list_blocked_users(
        self, info: strawberry.Info, first: First = None, after: After = None
    ) -> Page[users.User]:
        context = context_of(info)
        blocked, more = await page_blocked_users(
            context.resources.database,
            context.require_viewer().user.id,
            first=require_first(first, context.resources.limits),
            after=parse_block_cursor(after, "after"),
        )
        users_of, places = [each.user for each in blocked], [each.place for each in blocked]
        return make_next_page(users_of, places, block_cursor, after=after, more=more)


@strawberry.type
class BlockMutations:
    @strawberry.mutation(
        description=(
            "Blocks or unblocks a user. Safe to repeat. While one of two users blocks the "
            "other, neither can send, edit or react in their chat, see the other's presence or "
            "receipts, or add the other to a group. What was already shown stays, and groups "
            "that both are in work as before. The blocked user is not told."
        ),
        graphql_type=SetBlockedResult,
    )
    @answers_refusals
    @spends("setting_changes_per_user")
    async def set_blocked(
        self,
        info: strawberry.Info,
        user_id: Annotated[
            strawberry.ID,
            strawberry.argument(description="The user to block or unblock. Not the viewer."),
        ],
        blocked: Annotated[
            bool, strawberry.argument(description="True blocks the user, false unblocks them.")
        ],
    ) -> SetBlockedPayload | Refusal:
        context = context_of(info)
        viewer_id = context.require_viewer().user.id
        other_id = require_user_id(user_id)
        user, changed = await set_blocked(
            context.resources.database,
            viewer_id,
            other_id,
            blocked,
            limits=context.resources.limits,
            now=datetime.now(UTC),
        )
        if changed:
            context.resources.live.announce([Signalled(ViewerChanged(), [viewer_id])])
            chat_id = ids.chat_id(viewer_id, other_id)
            context.resources.update_pushes([(viewer_id, chat_id), (other_id, chat_id)])
        return SetBlockedPayload(user=user)
