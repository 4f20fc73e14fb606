"""Privacy: the viewer's settings, and changing them."""

from typing import Annotated, TypeVar

import strawberry
from msgspec import UNSET, UnsetType

from models.log.signals import Signalled, ViewerChanged
from models.refusals import invalid
from models.users import privacy
from models.users.privacy import PrivacyChanges, get_privacy, update_privacy
from schema.budgets import spends
from schema.context import context_of
from schema.refusals import Refusal, answers_refusals
from schema.users.privacy import (
    PrivacySettings,
    UpdatePrivacyInput,
    UpdatePrivacyPayload,
    UpdatePrivacyResult,
)

Value = TypeVar("Value")


@strawberry.type
class PrivacyQueries:
    @strawberry.field(
        name="privacy", description="The viewer's settings.", graphql_type=PrivacySettings
    )
    async def get_privacy(self, info: strawberry.Info) -> privacy.PrivacySettings:
        context = context_of(info)
        return await get_privacy(context.resources.database, context.require_viewer().user.id)


@strawberry.type
class PrivacyMutations:
    @strawberry.mutation(
        description=(
            "Changes the viewer's settings. Absent keeps; null is refused, since none of them can "
            "be cleared."
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
            last_seen=_given(input.last_seen, "lastSeen"),
            read_receipts=_given(input.read_receipts, "readReceipts"),
            add_to_groups=_given(input.add_to_groups, "addToGroups"),
        )
        settings = await update_privacy(context.resources.database, user_id, changes)
        context.resources.live.announce([Signalled(ViewerChanged(), [user_id])])
        return UpdatePrivacyPayload(privacy=settings)


def _given(value: Value | None, field: str) -> Value | UnsetType:
    """Strawberry's mark of an absent field as that of the models.

    Raises:
        Refused: INVALID_INPUT for null.
    """
    if value is strawberry.UNSET:
        return UNSET
    if value is None:
        raise invalid("A privacy setting cannot be cleared.", field)
    return value
