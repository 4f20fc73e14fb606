"""Typing: saying that one types."""

from typing import Annotated

import strawberry

from schema.budgets import spends
from schema.channels.typing import SetTypingPayload, SetTypingResult
from schema.context import context_of
from schema.global_ids import ChannelId, require_channel_id
from schema.refusals import Refusal, answers_refusals


@strawberry.type
class TypingMutations:
    @strawberry.mutation(
        description=(
            "Tells the channel's members who are online that the viewer is typing or has "
            "stopped. Nothing is stored. It ends by itself at `expiresAt`, and when the "
            "viewer's last socket closes."
        ),
        graphql_type=SetTypingResult,
    )
    @answers_refusals
    @spends("typing_per_user")
    async def set_typing(
        self,
        info: strawberry.Info,
        channel_id: ChannelId,
        typing: Annotated[
            bool,
            strawberry.argument(description="True while the viewer types. False ends it early."),
        ],
    ) -> SetTypingPayload | Refusal:
        context = context_of(info)
        viewer = context.require_viewer()
        inner_id = require_channel_id(channel_id)
        expires_at = await context.resources.live.set_typing(viewer, inner_id, typing)
        return SetTypingPayload(expires_at=expires_at)
