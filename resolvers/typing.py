"""Typing: saying that one types."""

from typing import Annotated

import strawberry

from models import ids
from models.channels.refusals import no_such_channel
from schema.budgets import spends
from schema.channels.typing import SetTypingPayload, SetTypingResult
from schema.context import context_of
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
        channel_id: Annotated[
            strawberry.ID, strawberry.argument(description="A channel that the viewer is in.")
        ],
        typing: Annotated[
            bool,
            strawberry.argument(description="True while the viewer types. False ends it early."),
        ],
    ) -> SetTypingPayload | Refusal:
        context = context_of(info)
        viewer = context.require_viewer()
        inner_id = ids.parse_plain("chn", channel_id)
        if inner_id is None:
            raise no_such_channel()
        expires_at = await context.resources.live.set_typing(viewer, inner_id, typing)
        return SetTypingPayload(expires_at=expires_at)
