"""Channels: chats, their members, and how far each has got."""

from datetime import datetime
from typing import Annotated, Any

import strawberry

from models import ids
from models.channel_kinds import ChannelKind
from models.channels import channels, members
from models.channels.members import MemberRole
from models.messages import messages
from models.users import users
from schema.context import context_of
from schema.enums import describe_enum
from schema.fields import derived_field
from schema.global_ids import ID_DESCRIPTION, ObjectWithId, global_id_field
from schema.messages.messages import Message, MessageConnection
from schema.messages.timeline import open_timeline
from schema.paging import (
    After,
    Edge,
    First,
    Page,
    PageInfo,
    id_cursor,
    make_next_page,
    parse_id_cursor,
    require_first,
)
from schema.refusals import Refusal
from schema.scalars import DateTime
from schema.sources import describes
from schema.users.users import User

describe_enum(
    ChannelKind,
    "What a channel is.",
    {"CHAT": "Two users, or one user with personal notes.", "GROUP": "Up to 100 people."},
)
describe_enum(
    MemberRole,
    "What a member may do.",
    {
        "MEMBER": "Talk.",
        "ADMIN": "Also add and remove members, and delete others' messages.",
        "OWNER": "Also change roles.",
    },
)


@describes(members.MemberPosition)
@strawberry.type(description="How much of a channel's log a member has received and read.")
class MemberPosition:
    user_id: strawberry.ID = derived_field(
        lambda position: ids.user_global_id(position.user_id),
        description="The member's user id.",
        graphql_type=strawberry.ID,
    )
    delivered_seq: int = strawberry.field(
        description="The member has received all entries up to this seq."
    )
    read_seq: int = strawberry.field(
        description=(
            "The member has read all entries up to this seq. In a chat, 0 for the other user if "
            "either of the two hides read receipts. The viewer's own position is never hidden."
        )
    )


@describes(members.Member)
@strawberry.type(description="A user in a channel.")
class Member(ObjectWithId):
    id: strawberry.ID = global_id_field(
        lambda member: ids.member_global_id(member.channel_id, member.user_id)
    )

    @strawberry.field(description="The user.", graphql_type=User)
    async def user(
        root: strawberry.Parent[members.Member], info: strawberry.Info
    ) -> users.User | None:
        return await context_of(info).loaders.users.load(root.user_id)

    role: MemberRole = strawberry.field(description="What they may do.")
    joined_at: datetime = strawberry.field(
        description="When the user joined; if they joined several times, the last time.",
        graphql_type=DateTime,
    )
    joined_seq: int = strawberry.field(
        description=(
            "The seq of the entry with which the user last joined; 1 in a chat. The user may "
            "see this entry and all later ones."
        )
    )
    position: members.MemberPosition = strawberry.field(
        description=(
            "The member's position when it was fetched. Changes are sent live only as they "
            "concern the viewer's own messages (ReceiptUpdated)."
        ),
        graphql_type=MemberPosition,
    )


@describes(Edge)
@strawberry.type(description="A member in a page.")
class MemberEdge:
    cursor: str = strawberry.field(description="The cursor of this item, for `after`.")
    node: members.Member = strawberry.field(description="The member.", graphql_type=Member)


@describes(Page)
@strawberry.type(description="A page of members.")
class MemberConnection:
    edges: list[MemberEdge] = strawberry.field(description="The members with their cursors.")
    nodes: list[Member] = strawberry.field(description="The members.")
    page_info: PageInfo = strawberry.field(
        description="Whether there are more pages, and the cursors to fetch them."
    )


async def _last_message(
    root: strawberry.Parent[Any], info: strawberry.Info
) -> messages.Message | None:
    return await context_of(info).loaders.last_messages.load(root.id)


async def _unread_count(root: strawberry.Parent[Any], info: strawberry.Info) -> int:
    return await context_of(info).loaders.unread_counts.load(root.id)


async def _members(
    root: strawberry.Parent[Any],
    info: strawberry.Info,
    first: First = None,
    after: After = None,
) -> Page[members.Member]:
    context = context_of(info)
    limits = context.resources.limits
    count = require_first(first, limits)
    found, more = await members.page_members(
        context.resources.database,
        context.require_viewer().user.id,
        root.id,
        first=count,
        after_user_id=parse_id_cursor(after, "after"),
    )
    cursors = [id_cursor(member.user_id) for member in found]
    return make_next_page(found, cursors, after=after, more=more)


async def _messages(
    root: strawberry.Parent[Any],
    info: strawberry.Info,
    first: Annotated[
        int | None, strawberry.argument(description="The oldest after `after`, 1 to 100.")
    ] = None,
    after: Annotated[
        str | None, strawberry.argument(description="Only what comes after this cursor.")
    ] = None,
    last: Annotated[
        int | None, strawberry.argument(description="The newest before `before`, 1 to 100.")
    ] = None,
    before: Annotated[
        str | None, strawberry.argument(description="Only what comes before this cursor.")
    ] = None,
    around_seq: Annotated[
        int | None, strawberry.argument(description="Return the messages around this seq.")
    ] = None,
) -> Page[messages.Message]:
    return await open_timeline(
        context_of(info),
        root,
        first=first,
        after=after,
        last=last,
        before=before,
        around_seq=around_seq,
    )


_MESSAGES = (
    "Newest last. Page with first/after or last/before; with neither, the newest 50. aroundSeq "
    "opens at a place: the "
    "message with that seq, else the next older one, in the middle of first. At most 100 a "
    "page. Only what came with the "
    "viewer's membership."
)


def _id_of(channel: channels.Channel) -> str:
    return ids.channel_global_id(channel.id)


@strawberry.interface(
    description="A chat (two people, or one with their own notes) or a group (up to 100)."
)
class Channel(ObjectWithId):
    id: strawberry.ID = strawberry.field(description=ID_DESCRIPTION)
    kind: ChannelKind = strawberry.field(description="What it is.")
    created_at: datetime = strawberry.field(
        description="When it was created.", graphql_type=DateTime
    )
    last_seq: int = strawberry.field(
        description=(
            "The seq of the newest entry in the channel's log. Entries are numbered from 1 "
            "without gaps; 0 if the log is empty."
        )
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
        resolver=_members,
        description="The channel's members, 50 in a page by default, at most 100.",
        graphql_type=MemberConnection,
    )
    messages: MessageConnection = strawberry.field(
        resolver=_messages, description=_MESSAGES, graphql_type=MessageConnection
    )


@describes(channels.Chat)
@strawberry.type(description="A chat of two users, or of one user with personal notes.")
class Chat(Channel, ObjectWithId):
    id: strawberry.ID = global_id_field(_id_of)

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


@strawberry.type(description="The chat of the two people.")
class OpenChatPayload:
    chat: channels.Chat = strawberry.field(description="The chat.", graphql_type=Chat)
    created: bool = strawberry.field(description="True for the first openChat of the two people.")


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


@strawberry.input(description="A place in a channel's log.")
class PositionInput:
    channel_id: strawberry.ID = strawberry.field(description="The channel.")
    seq: int = strawberry.field(
        description="The position includes all entries up to this seq. Not negative."
    )


@strawberry.input(
    description="How much this device has stored and how much the viewer has read, by channel."
)
class AcknowledgeInput:
    delivered: list[PositionInput] | None = strawberry.field(
        description="Entries that this device has stored. Its inbox resumes after them.",
        default=None,
    )
    read: list[PositionInput] | None = strawberry.field(
        description=(
            "Entries that the viewer has read. Receipts count them as delivered, too, but they "
            "do not change where this device's inbox resumes."
        ),
        default=None,
    )
    stored_media_ids: list[strawberry.ID] | None = strawberry.field(
        description=(
            "Media files that this device has stored. A server may delete files that all "
            "members have stored. At most 200; files that are in no message that the viewer can "
            "read are ignored."
        ),
        default=None,
    )


@strawberry.type(
    description=(
        "The viewer's position in a channel, over all of the viewer's devices. A device's "
        "inbox resumes from what that device has stored."
    )
)
class ChannelPosition:
    channel_id: strawberry.ID = strawberry.field(description="The channel.")
    delivered_seq: int = strawberry.field(description="The viewer has everything up to here.")
    read_seq: int = strawberry.field(description="The viewer has read everything up to here.")


@strawberry.type(
    description=(
        "The viewer's positions after an acknowledgement. Channels that the viewer is not "
        "in are left out."
    )
)
class AcknowledgePayload:
    positions: list[ChannelPosition] = strawberry.field(
        description="The viewer's positions now, in the channels that were named."
    )


AcknowledgeResult = Annotated[
    AcknowledgePayload | Refusal,
    strawberry.union(
        "AcknowledgeResult", description="The positions in force, or why it was refused."
    ),
]
