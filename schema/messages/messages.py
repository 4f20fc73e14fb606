"""Messages: what members said, with media, reactions, receipts and how they fared."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from models import ids
from models.channels import channels
from models.media.media import Media as StoredMedia
from models.messages import messages, notices
from models.messages.fates import MessageStatus
from models.messages.messages import MessageKind
from models.unloaded import UNLOADED
from models.users import users
from schema.context import context_of
from schema.enums import describe_enum
from schema.fields import OUTERMOST, SHARED, derived_field
from schema.global_ids import ObjectWithId, global_id_field
from schema.media.media import Media
from schema.messages.fates import fate_field
from schema.messages.notices import SystemNotice
from schema.messages.receipts import ReceiptConnection, list_receipts_of
from schema.paging import (
    Edge,
    Page,
    PageInfo,
)
from schema.scalars import DateTime
from schema.sources import describes
from schema.users.users import User

if TYPE_CHECKING:
    from schema.channels.channels import Channel

describe_enum(
    MessageKind,
    "What a message holds.",
    {
        "TEXT": "Text only.",
        "IMAGE": "Pictures, with or without text.",
        "VIDEO": "A video, with or without text.",
        "AUDIO": "A voice note or other sound.",
        "FILE": "Files, with or without text.",
        "LOCATION": "A place, with or without text.",
        "SYSTEM": "A notice about a change of the channel. It has no sender.",
    },
)


@describes(messages.Location)
@strawberry.type(description="A place, in degrees (WGS 84).")
class Location:
    latitude: float = strawberry.field(description="The latitude, -90 to 90.", metadata=SHARED)
    longitude: float = strawberry.field(description="The longitude, -180 to 180.", metadata=SHARED)
    label: str | None = strawberry.field(
        description="The name of the place, at most 200 characters. Null if it has none.",
        metadata=SHARED,
    )


@describes(messages.Reaction)
@strawberry.type(description="One emoji on a message, and the members who reacted with it.")
class Reaction:
    emoji: str = strawberry.field(description="The emoji.", metadata=SHARED)
    count: int = strawberry.field(description="How many members reacted with it.", metadata=SHARED)
    user_ids: list[strawberry.ID] = derived_field(
        lambda reaction: [ids.user_global_id(user_id) for user_id in reaction.user_ids],
        description="The ids of these members, in the order of their reactions.",
        graphql_type=list[strawberry.ID],
        shared=True,
    )


def _id_of(message: messages.Message) -> str:
    return ids.message_global_id(message.channel_id, message.seq)


def _channel_id_of(message: messages.Message) -> str:
    return ids.channel_global_id(message.channel_id)


def _mentions_of(message: messages.Message) -> list[str]:
    return [ids.user_global_id(user_id) for user_id in message.mention_ids]


def _text_of(message: messages.Message) -> str | None:
    return None if message.deleted_at is not None else message.text


def _location_of(message: messages.Message) -> messages.Location | None:
    return None if message.deleted_at is not None else message.location


async def _sender(
    root: strawberry.Parent[messages.Message], info: strawberry.Info
) -> users.User | None:
    if root.sender is not UNLOADED:
        return root.sender
    return await context_of(info).loaders.users.load(root.sender_id or "")


async def _media(
    root: strawberry.Parent[messages.Message], info: strawberry.Info
) -> list[StoredMedia]:
    if root.media is not UNLOADED:
        return root.media
    found = await context_of(info).loaders.media.load_many(root.media_ids)
    return [each for each in found if each is not None]


def _reply_to_id_of(message: messages.Message) -> str | None:
    seq = message.reply_to_seq
    return None if seq is None else ids.message_global_id(message.channel_id, seq)


async def _reply_to(
    root: strawberry.Parent[messages.Message], info: strawberry.Info
) -> messages.Message | None:
    if root.reply_to is not UNLOADED:
        return root.reply_to
    return await context_of(info).loaders.messages.load((root.channel_id, root.reply_to_seq or 0))


async def _channel(
    root: strawberry.Parent[messages.Message], info: strawberry.Info
) -> channels.Channel | None:
    return await context_of(info).loaders.channels.load(root.channel_id)


@describes(messages.Message)
@strawberry.type(
    description="A message of a member, or a notice (SYSTEM) about a change of the channel."
)
class Message(ObjectWithId):
    id: strawberry.ID = global_id_field(_id_of, shared=True)
    channel_id: strawberry.ID = derived_field(
        _channel_id_of,
        description="The channel of the message.",
        graphql_type=strawberry.ID,
        shared=True,
    )
    channel: Annotated["Channel", strawberry.lazy("schema.channels.channels")] | None = (
        strawberry.field(
            resolver=_channel,
            description=(
                "The channel. Null if the viewer is no longer in it, for example in the entry that "
                "removes the viewer, or in the answer to a repeated send."
            ),
        )
    )
    seq: int = strawberry.field(
        description=(
            "The message's number in the channel's log. Sort messages by this, never by time."
        ),
        metadata=SHARED,
    )
    kind: MessageKind = strawberry.field(description="What the message holds.", metadata=SHARED)
    sender: users.User | None = strawberry.field(
        resolver=_sender,
        description="The user who sent the message. Null for SYSTEM messages.",
        graphql_type=User | None,
        metadata={"plan": "sender", **SHARED},
    )
    client_message_id: strawberry.ID | None = strawberry.field(
        description=(
            "The id that the sender's client made for the message. With it a client finds the copy "
            "that it has shown before the answer came. Null for SYSTEM messages."
        ),
        metadata=SHARED,
    )
    text: str | None = derived_field(
        _text_of,
        description=(
            "The text, at most 4,096 characters. Null if the message has none or was deleted."
        ),
        graphql_type=str | None,
        shared=True,
    )
    media: list[StoredMedia] = strawberry.field(
        resolver=_media,
        description="The files of the message, in the sender's order. At most 10.",
        graphql_type=list[Media],
        # Most messages hold one file or none; an album counts for less than it holds.
        metadata={"plan": "media", "list_size": 2, **SHARED},
    )
    location: messages.Location | None = derived_field(
        _location_of,
        description="The place that the message shows. Null unless its kind is LOCATION.",
        graphql_type=Location | None,
        shared=True,
    )
    reply_to: messages.Message | None = strawberry.field(
        resolver=_reply_to,
        description=(
            "The message that this one answers. Null if there is none, or if it is from before "
            "the viewer joined."
        ),
        graphql_type=Annotated["Message", strawberry.lazy("schema.messages.messages")] | None,
        metadata={"plan": "reply_to", **OUTERMOST},
    )
    reply_to_id: strawberry.ID | None = derived_field(
        _reply_to_id_of,
        description=(
            "The id of the message that this one answers. It is also set where that message is "
            "gone or from before the viewer joined: `replyTo` is null then. Null if there is none."
        ),
        graphql_type=strawberry.ID | None,
        shared=True,
    )
    mentions: list[strawberry.ID] = derived_field(
        _mentions_of,
        description="The ids of the users that the message mentions.",
        graphql_type=list[strawberry.ID],
        shared=True,
    )
    reactions: list[messages.Reaction] = derived_field(
        messages.reactions_of,
        description=(
            "The members' reactions, grouped by emoji, the oldest emoji first. Each member has "
            "at most one."
        ),
        graphql_type=list[Reaction],
        shared=True,
        list_size=1,
    )
    system: notices.SystemNotice | None = strawberry.field(
        description="What happened to the channel. Null unless the kind is SYSTEM.",
        graphql_type=SystemNotice | None,
        metadata=SHARED,
    )
    sent_at: datetime = strawberry.field(
        description="When the server accepted the message.", graphql_type=DateTime, metadata=SHARED
    )
    edited_at: datetime | None = strawberry.field(
        description="When the text was last changed. Null if it never was.",
        graphql_type=DateTime | None,
        metadata=SHARED,
    )
    deleted_at: datetime | None = strawberry.field(
        description=(
            "When the message was deleted. Null if it was not. A deleted message keeps its "
            "place in the log, without text, media or reactions."
        ),
        graphql_type=DateTime | None,
        metadata=SHARED,
    )
    status: MessageStatus | None = fate_field(
        "status",
        lambda fate: fate.status,
        (
            "How far the message has got with its whole audience: the members, without the sender, "
            "who had joined before it was sent. It is READ only if all of them have read it, and "
            "SENT if there are none."
        ),
        MessageStatus | None,
    )
    delivered_at: datetime | None = fate_field(
        "delivered_at",
        lambda fate: fate.delivered_at,
        "When the last member of the audience received the message.",
        DateTime | None,
    )
    seen_at: datetime | None = fate_field(
        "seen_at",
        lambda fate: fate.seen_at,
        "When the last member of the audience read the message.",
        DateTime | None,
    )
    delivered_count: int | None = fate_field(
        "delivered_count",
        lambda fate: fate.delivered,
        "How many members of the audience have received the message.",
        int | None,
    )
    read_count: int | None = fate_field(
        "read_count",
        lambda fate: fate.read,
        ("How many members of the audience have read the message."),
        int | None,
    )
    receipts: ReceiptConnection | None = strawberry.field(
        resolver=list_receipts_of,
        description=(
            "Which members of the audience have received and read the message. Null unless the "
            "viewer sent it. 50 in a page by default, at most 100."
        ),
        graphql_type=ReceiptConnection | None,
    )


@describes(Edge)
@strawberry.type(description="A message in a page.")
class MessageEdge:
    cursor: str = strawberry.field(
        description=("The cursor of this item, for `after` and `before`.")
    )
    node: messages.Message = strawberry.field(description="The message.", graphql_type=Message)


@describes(Page)
@strawberry.type(
    description=(
        "A page of messages. The newest is last in a channel's messages, and first in what a "
        "search finds."
    )
)
class MessageConnection:
    edges: list[MessageEdge] = strawberry.field(description="The messages with their cursors.")
    nodes: list[Message] = strawberry.field(description="The messages.")
    page_info: PageInfo = strawberry.field(
        description="Whether there are more pages, and the cursors to fetch them."
    )
