"""Privacy: the viewer's settings, and changing them."""

from typing import Annotated

import strawberry

from models.log.signals import Signalled, ViewerChanged
from models.users import privacy
from models.users.privacy import PrivacyChanges, get_privacy, update_privacy
from schema.absent import given_setting
from schema.budgets import spends
from schema.context import context_of
from schema.refusals import Refusal, answers_refusals
from schema.users.privacy import (
    PrivacySettings,
    UpdatePrivacyInput,
    UpdatePrivacyPayload,
    UpdatePrivacyResult,
)


@strawberry.type
class PrivacyQueries:
    @strawberry.field(
        name="privacy", description="The viewer's privacy settings.", graphql_type=PrivacySettings
    )
    async def get_privacy(self, info: strawberry.Info) -> privacy.PrivacySettings:
        context = context_of(info)
        return await get_privacy(context.resources.database, context.require_viewer().user.id)


@strawberry.type
class PrivacyMutations:
    @strawberry.mutation(
        description=(
            "Changes the viewer's privacy settings. A field that is left out stays as it is. "
            "Null is refused: no setting can be cleared."
        ),
        graphql_type=UpdatePrivacyResult,
    )
    @answers_refusals
    @spends("setting_changes_per_user")
    async def update_privacy(
        self,
        info: strawberry.Info,
        input: Annotated[UpdatePrivacyInput, strawberry.argument(description="What to change.")],
    ) -> UpdatePrivacyPayload | Refusal:
        context = context_of(info)
        user_id = context.require_viewer().user.id
        changes = PrivacyChanges(
            last_seen=given_setting(input.last_seen, "lastSeen"),
            read_receipts=given_setting(input.read_receipts, "readReceipts"),
            add_to_groups=given_setting(input.add_to_groups, "addToGroups"),
        )
        settings = await update_privacy(context.resources.database, user_id, changes)
        context.resources.live.announce([Signalled(ViewerChanged(), [user_id])])
        return UpdatePrivacyPayload(privacy=settings)
