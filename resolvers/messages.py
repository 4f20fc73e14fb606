"""Messages: sending."""

from datetime import UTC, datetime
from typing import Annotated

import strawberry

from models import ids
from models.channels.refusals import no_such_channel
from models.limits import Limits
from models.log.admission import require_sender
from models.log.drafts import Draft, Sent
from models.media.uses import claim_for_message, no_such_media
from models.messages.messages import (
    Location,
    Message,
    MessageKind,
    for_sender,
    get_own_message,
    is_sent,
    show_to,
)
from models.refusals import Refused, invalid, not_found
from models.text import require_text
from models.users.users import User
from schema.budgets import spends
from schema.context import Context, context_of
from schema.messages.messages import (
    LocationInput,
    SendMessageInput,
    SendMessagePayload,
    SendMessageResult,
)
from schema.refusals import Refusal, answers_refusals


@strawberry.type
class MessageMutations:
    @strawberry.mutation(
        description=(
            "Stored before it is answered. The same clientMessageId again returns the first "
            "message, with replayed true."
        ),
        graphql_type=SendMessageResult,
    )
    @answers_refusals
    @spends("sends_per_user")
    async def send_message(
        self,
        info: strawberry.Info,
        input: Annotated[SendMessageInput, strawberry.argument(description="The message.")],
    ) -> SendMessagePayload | Refusal:
        context = context_of(info)
        draft = require_draft(input, context.require_viewer().user, context.resources.limits)
        if draft.media_ids:
            await _claim_media(context, draft)
        sent = await context.resources.committer.send(draft)
        message, replayed = await _stored_message(context, draft, sent)
        return SendMessagePayload(message=message, replayed=replayed)


async def _claim_media(context: Context, draft: Draft) -> None:
    """Writes down that the message is about to hold them, and gives it its kind: for one who may
    send it. A message that is stored already is answered with, whatever has become of its files or
    its sender.
    """
    database, sender_id = context.resources.database, draft.sender.id
    try:
        await require_sender(database, sender_id, draft.channel_id)
        media = await claim_for_message(
            database, sender_id, draft.channel_id, draft.client_message_id, draft.media_ids
        )
    except Refused:
        if not await is_sent(database, sender_id, draft.channel_id, draft.client_message_id):
            raise
    else:
        draft.kind = MessageKind[media[0].kind.name]


async def _stored_message(context: Context, draft: Draft, sent: Sent) -> tuple[Message, bool]:
    """What the sender gets back, and whether it had been stored by an earlier send."""
    if sent.message is not None:
        return for_sender(sent.message), False
    message = await get_own_message(
        context.resources.database, draft.sender.id, draft.channel_id, sent.seq
    )
    # After a lost connection the batch went again, and what it found was its own first try.
    own_try = draft.tries > 1 and message.sent_at == draft.at
    return show_to(message, draft.sender.id), not own_try


def require_draft(input: SendMessageInput, sender: User, limits: Limits) -> Draft:
    """The draft, with everything checked that can be checked without the database.

    Raises:
        Refused: INVALID_INPUT, or NOT_FOUND for ids that cannot be any channel's, message's or
        user's.
    """
    channel_id = ids.parse_plain("chn", input.channel_id)
    if channel_id is None:
        raise no_such_channel()
    client_message_id = require_text(
        input.client_message_id, "clientMessageId", limits.client_message_id_length, min_length=1
    )
    text = input.text
    if text is not None:
        require_message_text(text, limits)
    location = None if input.location is None else _require_location(input.location, limits)
    media_ids = _require_media(input.media_ids or [], limits)
    if location is not None and media_ids:
        raise invalid("A message has files or a location, not both.", "location")
    if text is None and location is None and not media_ids:
        raise invalid("A message needs a text, a file or a location.", "text")
    return Draft(
        channel_id=channel_id,
        sender=sender,
        client_message_id=client_message_id,
        kind=MessageKind.LOCATION if location is not None else MessageKind.TEXT,
        at=datetime.now(UTC),
        text=text,
        location=location,
        reply_to_seq=_require_reply(input.reply_to_id, channel_id),
        mention_ids=_require_mentions(input.mentions or [], limits),
        media_ids=media_ids,
    )


def require_message_text(text: str, limits: Limits) -> str:
    """The text as it came.

    Raises:
        Refused: INVALID_INPUT.
    """
    require_text(text, "text", limits.message_length, allow_newlines=True)
    if not text.strip():
        raise invalid("A text needs a visible character.", "text")
    return text


def _require_location(location: LocationInput, limits: Limits) -> Location:
    if not -90 <= location.latitude <= 90:
        raise invalid("A latitude is between -90 and 90 degrees.", "location.latitude")
    if not -180 <= location.longitude <= 180:
        raise invalid("A longitude is between -180 and 180 degrees.", "location.longitude")
    label = location.label
    if label is not None:
        require_text(label, "location.label", limits.label_length)
    return Location(location.latitude, location.longitude, label)


def _require_media(media_ids: list[strawberry.ID], limits: Limits) -> list[str]:
    if len(media_ids) > limits.media_per_message:
        raise invalid(f"A message has at most {limits.media_per_message} files.", "mediaIds")
    inner_ids: list[str] = []
    for place, media_id in enumerate(media_ids):
        inner_id = ids.parse_plain("med", media_id)
        if inner_id is None:
            raise no_such_media(f"mediaIds.{place}")
        if inner_id in inner_ids:
            raise invalid("A file is in a message once.", f"mediaIds.{place}")
        inner_ids.append(inner_id)
    return inner_ids


def _require_reply(reply_to_id: str | None, channel_id: str) -> int | None:
    if reply_to_id is None:
        return None
    place = ids.parse_message(reply_to_id)
    if place is None or place[0] != channel_id:
        raise not_found("There is no such message in the channel.", "replyToId")
    return place[1]


def _require_mentions(mentions: list[strawberry.ID], limits: Limits) -> list[str]:
    if len(mentions) > limits.mentions:
        raise invalid(f"At most {limits.mentions} people can be mentioned.", "mentions")
    mention_ids: dict[str, None] = {}
    for place, mention in enumerate(mentions):
        user_id = ids.parse_plain("usr", mention)
        if user_id is None:
            raise invalid("Only members of the channel can be mentioned.", f"mentions.{place}")
        mention_ids[user_id] = None
    return list(mention_ids)
