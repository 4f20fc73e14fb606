"""Channels: what chats and groups have in common, and chats."""

from datetime import datetime
from typing import Annotated, Any

import strawberry

from models import ids
from models.channel_kinds import ChannelKind
from models.channels import channels
from models.media import media
from models.messages import messages
from models.refusals import unavailable
from models.users import users
from schema.channels.members import MemberConnection, MemberPosition, list_members_of
from schema.context import context_of, is_in_list
from schema.enums import describe_enum
from schema.fields import derived_field
from schema.global_ids import ID_DESCRIPTION, ObjectWithId, global_id_field
from schema.media.media import Media
from schema.messages.messages import Message, MessageConnection
from schema.messages.timeline import open_timeline, require_part
from schema.paging import (
    Edge,
    Page,
    PageInfo,
)
from schema.refusals import Refusal
from schema.scalars import DateTime
from schema.sources import describes
from schema.users.users import User

describe_enum(
    ChannelKind,
    "The kind of a channel.",
    {
        "CHAT": "Two users, or one user with personal notes.",
        "GROUP": ("Up to 100 users, with a name."),
    },
)


async def _last_message(
    root: strawberry.Parent[Any], info: strawberry.Info
) -> messages.Message | None:
    return await context_of(info).loaders.last_messages.load(root.id)


async def _unread_count(root: strawberry.Parent[Any], info: strawberry.Info) -> int:
    return await context_of(info).loaders.unread_counts.load(root.id)


async def _messages(
    root: strawberry.Parent[Any],
    info: strawberry.Info,
    first: Annotated[
        int | None,
        strawberry.argument(
            description=("Return this many messages, the oldest ones after `after`. 1 to 100.")
        ),
    ] = None,
    after: Annotated[
        str | None, strawberry.argument(description="Return only messages after this cursor.")
    ] = None,
    last: Annotated[
        int | None,
        strawberry.argument(
            description=("Return this many messages, the newest ones before `before`. 1 to 100.")
        ),
    ] = None,
    before: Annotated[
        str | None, strawberry.argument(description="Return only messages before this cursor.")
    ] = None,
    around_seq: Annotated[
        int | None,
        strawberry.argument(
            description=("Return the messages around this seq. Use it with `first` only.")
        ),
    ] = None,
    around_id: Annotated[
        strawberry.ID | None,
        strawberry.argument(description="Return the messages around this message of the channel."),
    ] = None,
    around_time: Annotated[
        datetime | None,
        strawberry.argument(
            description="Return the messages around the newest that was there at this time.",
            graphql_type=DateTime | None,
        ),
    ] = None,
) -> Page[messages.Message]:
    context = context_of(info)
    part = require_part(
        context.resources.limits,
        root,
        first=first,
        after=after,
        last=last,
        before=before,
        around_seq=around_seq,
        around_id=around_id,
        around_time=around_time,
    )
    return await open_timeline(context, root, part, in_list=is_in_list(info))


_MESSAGES = (
    "The channel's messages; in a page the oldest is first. Use `first` and `after` to page "
    "towards newer messages, `last` and `before` to page towards older ones. Without arguments, "
    "the newest 50. With `aroundSeq`, the message with that seq (or else the next older one) is in "
    "the middle of a page of `first` messages. A page has at most 100 messages. Messages from "
    "before the viewer joined are not included."
)


def _id_of(channel: channels.Channel) -> str:
    return ids.channel_global_id(channel.id)


@strawberry.interface(
    description=(
        "A chat (of two users, or of one user with personal notes) or a group (of up to 100 users)."
    )
)
class Channel(ObjectWithId):
    id: strawberry.ID = strawberry.field(description=ID_DESCRIPTION)
    kind: ChannelKind = strawberry.field(description="Whether this is a chat or a group.")
    created_at: datetime = strawberry.field(
        description="When the channel was created.", graphql_type=DateTime
    )
    last_seq: int = strawberry.field(
        description=(
            "The seq of the newest entry in the channel's log. Entries are numbered from 1 "
            "without gaps; 0 if the log is empty."
        )
    )
    title: str = strawberry.field(
        description="What to show as its name: the group's, or the other person's."
    )
    picture: media.Media | None = strawberry.field(
        description=(
            "What to show as its picture: the group's, or the other person's. Null if there is "
            "none."
        ),
        graphql_type=Media | None,
    )
    member_count: int = strawberry.field(
        description="The number of members. In a chat 2, or 1 in a chat with oneself."
    )
    last_message: Message | None = strawberry.field(
        resolver=_last_message,
        description=(
            "The newest message that the viewer may see, including SYSTEM messages. Null if "
            "there is none."
        ),
        graphql_type=Message | None,
    )
    unread_count: int = strawberry.field(
        resolver=_unread_count,
        description=(
            "How many messages of others the viewer has not read. SYSTEM and deleted messages "
            "are not counted. At most 1,000."
        ),
    )
    position: MemberPosition = strawberry.field(
        description="How much the viewer has received and read, over all of the viewer's devices."
    )
    muted_until: datetime | None = strawberry.field(
        description="When the viewer's mute of this channel ends. Null if it is not muted.",
        graphql_type=DateTime | None,
    )
    members: MemberConnection = strawberry.field(
        resolver=list_members_of,
        description="The channel's members, 50 in a page by default, at most 100.",
        graphql_type=MemberConnection,
    )
    messages: MessageConnection | None = strawberry.field(
        resolver=_messages, description=_MESSAGES, graphql_type=MessageConnection | None
    )


async def _peer_of(chat: channels.Chat, info: strawberry.Info) -> users.User:
    peer = await context_of(info).loaders.users.load(chat.peer_id)
    if peer is None:
        raise unavailable()
    return peer


async def _peers_name(root: strawberry.Parent[channels.Chat], info: strawberry.Info) -> str:
    return (await _peer_of(root, info)).name


async def _peers_picture(
    root: strawberry.Parent[channels.Chat], info: strawberry.Info
) -> media.Media | None:
    return (await _peer_of(root, info)).avatar


@describes(channels.Chat, channels.ChatReference)
@strawberry.type(description="A chat of two users, or of one user with personal notes.")
class Chat(Channel, ObjectWithId):
    id: strawberry.ID = global_id_field(_id_of)

    title: str = strawberry.field(
        resolver=_peers_name, description="The other user's name: what to show as the chat's."
    )
    picture: media.Media | None = strawberry.field(
        resolver=_peers_picture,
        description="The other user's picture. Null if there is none.",
        graphql_type=Media | None,
    )
    member_count: int = derived_field(
        lambda chat: 1 if chat.peer_id == chat.viewer_id else 2,
        description="2, or 1 in a chat with oneself.",
        graphql_type=int,
    )

    @strawberry.field(
        description="The other user of the chat. In a chat with oneself, the viewer.",
        graphql_type=User,
    )
    async def peer(
        root: strawberry.Parent[channels.Chat], info: strawberry.Info
    ) -> users.User | None:
        return await context_of(info).loaders.users.load(root.peer_id)


@describes(Edge)
@strawberry.type(description="A channel in a page.")
class ChannelEdge:
    cursor: str = strawberry.field(description="The cursor of this item, for `after`.")
    node: channels.Channel = strawberry.field(description="The channel.", graphql_type=Channel)


@describes(Page)
@strawberry.type(description="A page of channels.")
class ChannelConnection:
    edges: list[ChannelEdge] = strawberry.field(description="The channels with their cursors.")
    nodes: list[Channel] = strawberry.field(description="The channels.")
    page_info: PageInfo = strawberry.field(
        description="Whether there are more pages, and the cursors to fetch them."
    )


@strawberry.type(description="The answer if the chat was opened.")
class OpenChatPayload:
    chat: channels.Chat = strawberry.field(description="The chat.", graphql_type=Chat)
    created: bool = strawberry.field(
        description=("True for the first openChat of these two users.")
    )


OpenChatResult = Annotated[
    OpenChatPayload | Refusal,
    strawberry.union("OpenChatResult", description="The chat, or a Refusal."),
]


@strawberry.type(description="The answer if the channel was changed for the viewer.")
class ChannelPayload:
    channel: channels.Channel = strawberry.field(
        description="The channel as it is now.", graphql_type=Channel
    )


ChannelResult = Annotated[
    ChannelPayload | Refusal,
    strawberry.union("ChannelResult", description="The channel, or a Refusal."),
]
