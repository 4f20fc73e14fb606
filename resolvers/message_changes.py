"""Changes to messages: editing, deleting, reacting."""

from typing import Annotated

import strawberry

from models import ids
from models.log import message_changes
from models.messages.emoji import require_emoji
from models.refusals import not_found
from resolvers.messages import require_message_text
from schema.budgets import spends
from schema.context import context_of
from schema.messages.sending import MessagePayload, MessageResult
from schema.refusals import Refusal, answers_refusals, require_given

MessageId = Annotated[
    strawberry.ID, strawberry.argument(description="A message that the viewer can see.")
]


@strawberry.type
class ChangeMutations:
    @strawberry.mutation(
        description=(
            "Changes the text of one of the viewer's messages. Allowed for 15 minutes after it "
            "was sent, then EDIT_WINDOW_CLOSED. Safe to repeat: the text that the message "
            "already has changes nothing, at any time."
        ),
        graphql_type=MessageResult,
    )
    @answers_refusals
    @spends("message_changes_per_user")
    async def edit_message(
        self,
        info: strawberry.Info,
        message_id: MessageId,
        text: Annotated[str, strawberry.argument(description="1 to 4,096 characters.")],
    ) -> MessagePayload | Refusal:
        context = context_of(info)
        resources, limits = context.resources, context.resources.limits
        message = await message_changes.edit_message(
            resources.database,
            resources.publish,
            context.require_viewer().user.id,
            _require_place(message_id),
            require_message_text(text, limits),
            window_s=limits.edit_window_s,
        )
        context.forget_loaded()
        return MessagePayload(message=message)

    @strawberry.mutation(
        description=(
            "Deletes a message for all members. Its place in the log stays, without content. "
            "Senders may delete their own messages; a group's owners and admins may delete any "
            "message of the group. Safe to repeat."
        ),
        graphql_type=MessageResult,
    )
    @answers_refusals
    @spends("message_changes_per_user")
    async def delete_message(
        self, info: strawberry.Info, message_id: MessageId
    ) -> MessagePayload | Refusal:
        context = context_of(info)
        message = await message_changes.delete_message(
            context.resources.database,
            context.resources.publish,
            context.require_viewer().user.id,
            _require_place(message_id),
        )
        context.forget_loaded()
        return MessagePayload(message=message)

    @strawberry.mutation(
        description=(
            "Sets the viewer's reaction to a message. A member has one reaction to a message: a "
            "new one replaces it, and null removes it. Safe to repeat."
        ),
        graphql_type=MessageResult,
    )
    @answers_refusals
    @spends("reactions_per_user")
    async def react(
        self,
        info: strawberry.Info,
        message_id: MessageId,
        emoji: Annotated[
            str | None,
            strawberry.argument(
                description=(
                    "A single emoji. Null removes the viewer's reaction. Left out, it is "
                    "INVALID_INPUT."
                )
            ),
        ] = strawberry.UNSET,
    ) -> MessagePayload | Refusal:
        require_given(emoji, "emoji")
        context = context_of(info)
        message = await message_changes.react(
            context.resources.database,
            context.resources.publish,
            context.require_viewer().user.id,
            _require_place(message_id),
            None if emoji is None else require_emoji(emoji, "emoji"),
        )
        context.forget_loaded()
        return MessagePayload(message=message)


def _require_place(message_id: str) -> tuple[str, int]:
    place = ids.parse_message(message_id)
    if place is None:
        raise not_found("There is no such message.", "messageId")
    return place
