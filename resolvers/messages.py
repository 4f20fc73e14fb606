"""Messages: sending."""

from datetime import UTC, datetime
from typing import Annotated

import strawberry

from models import ids
from models.limits.limits import Limits
from models.log.drafts import Draft
from models.log.sends import send_message
from models.media.uses import no_such_media
from models.messages.messages import Location, MessageKind
from models.refusals import invalid, not_found
from models.text import require_text
from models.users.users import User
from schema.budgets import spends
from schema.context import context_of
from schema.global_ids import require_channel_id
from schema.messages.sending import (
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
            "Sends a message. It is stored before the answer is sent. Safe to repeat: the same "
            "clientMessageId returns the first message, with `replayed` true."
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
        resources = context.resources
        draft = require_draft(input, context.require_viewer().user, resources.limits)
        sent = await send_message(resources.database, resources.committer, draft)
        return SendMessagePayload(message=sent.message, replayed=sent.replayed)


def require_draft(input: SendMessageInput, sender: User, limits: Limits) -> Draft:
    """Return the draft, after every check that needs no database.

    Raises:
        Refused: INVALID_INPUT, or NOT_FOUND for ids that cannot be any channel's, message's or
        user's.
    """
    channel_id = require_channel_id(input.channel_id)
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
    """Return the text unchanged if it may be a message's.

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
