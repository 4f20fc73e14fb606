"""Channels: chats, their members, and how far each has got."""

from datetime import datetime
from typing import Annotated, Any

import strawberry

from models import ids
from models.channels import channels, members
from models.channels.channels import ChannelKind
from models.channels.members import MemberRole
from models.messages import messages
from models.users import users
from schema.context import context_of
from schema.enums import describe_enum
from schema.fields import derived_field
from schema.messages.messages import Message, MessageConnection
from schema.messages.timeline import open_timeline
from schema.node import ID_DESCRIPTION, Node, global_id_field
from schema.paging import Edge, Page, PageInfo, id_cursor, make_page, parse_id_cursor, require_count
from schema.refusals import Refusal
from schema.scalars import DateTime
from schema.sources import describes
from schema.users.users import User

describe_enum(
    ChannelKind,
    "What a channel is.",
    {"CHAT": "Two people, or one with their own notes.", "GROUP": "Up to 100 people."},
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
@strawberry.type(description="How far a member has got in the channel's log.")
class MemberPosition:
    user_id: strawberry.ID = derived_field(
        lambda position: ids.user_global_id(position.user_id),
        description="The member's user id.",
        graphql_type=strawberry.ID,
    )
    delivered_seq: int = strawberry.field(description="They have everything up to here.")
    read_seq: int = strawberry.field(
        description=(
            "They have read everything up to here. In a chat, the other person's is 0 where "
            "either of the two hides "
            "read receipts. One's own never is."
        )
    )


@describes(members.Member)
@strawberry.type(description="A user in a channel.")
class Member(Node):
    id: strawberry.ID = global_id_field(
        lambda member: ids.member_global_id(member.channel_id, member.user_id)
    )

    @strawberry.field(description="Who it is.", graphql_type=User)
    async def user(
        root: strawberry.Parent[members.Member], info: strawberry.Info
    ) -> users.User | None:
        return await context_of(info).loaders.users.load(root.user_id)

    role: MemberRole = strawberry.field(description="What they may do.")
    joined_at: datetime = strawberry.field(
        description="When they (last) joined.", graphql_type=DateTime
    )
    joined_seq: int = strawberry.field(
        description=(
            "The entry that (last) brought them in; 1 in a chat. They may see it and what "
            "comes after it."
        )
    )
    position: members.MemberPosition = strawberry.field(
        description="As of the fetch. Live only where it covers the viewer's own messages.",
        graphql_type=MemberPosition,
    )


@describes(Edge)
@strawberry.type(description="A member in a page.")
class MemberEdge:
    cursor: str = strawberry.field(description="Its place, for `after`.")
    node: members.Member = strawberry.field(description="The member.", graphql_type=Member)


@describes(Page)
@strawberry.type(description="A page of members.")
class MemberConnection:
    edges: list[MemberEdge] = strawberry.field(description="The members with their cursors.")
    nodes: list[Member] = strawberry.field(description="The members.")
    page_info: PageInfo = strawberry.field(description="What lies around the page.")


async def _last_message(
    root: strawberry.Parent[Any], info: strawberry.Info
) -> messages.Message | None:
    return await context_of(info).loaders.last_messages.load(root.id)


async def _unread_count(root: strawberry.Parent[Any], info: strawberry.Info) -> int:
    return await context_of(info).loaders.unread_counts.load(root.id)


async def _members(
    root: strawberry.Parent[Any],
    info: strawberry.Info,
    first: Annotated[
        int | None, strawberry.argument(description="1 to 100; 50 when not said.")
    ] = None,
    after: Annotated[str | None, strawberry.argument(description="A cursor of this list.")] = None,
) -> Page[members.Member]:
    context = context_of(info)
    limits = context.resources.limits
    count = require_count(first, "first", limits) or limits.default_page_size
    found, more = await members.page_members(
        context.resources.database,
        context.require_viewer().user.id,
        root.id,
        first=count,
        after_user_id=parse_id_cursor(after, "after"),
    )
    cursors = [id_cursor(member.user_id) for member in found]
    return make_page(found, cursors, more_after=more, more_before=after is not None)


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
        int | None, strawberry.argument(description="Opens at a place in the log.")
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
class Channel(Node):
    id: strawberry.ID = strawberry.field(description=ID_DESCRIPTION)
    kind: ChannelKind = strawberry.field(description="What it is.")
    created_at: datetime = strawberry.field(description="When it was made.", graphql_type=DateTime)
    last_seq: int = strawberry.field(
        description=(
            "The number of the newest entry in the channel's log. Gapless from 1; 0 while it "
            "is empty."
        )
    )
    last_message: Message | None = strawberry.field(
        resolver=_last_message,
        description="The newest message that the viewer may see, SYSTEM ones included.",
        graphql_type=Message | None,
    )
    unread_count: int = strawberry.field(
        resolver=_unread_count,
        description=(
            "Messages by others after the viewer's read position, without SYSTEM and deleted "
            "ones. Counted up to 1,000."
        ),
    )
    position: MemberPosition = strawberry.field(
        description="Where the viewer has got to, over all of the viewer's devices."
    )
    muted_until: datetime | None = strawberry.field(
        description="A time far off mutes for good.", graphql_type=DateTime | None
    )
    members: MemberConnection = strawberry.field(
        resolver=_members,
        description="Who is in it. At most 100 a page; 50 when not said.",
        graphql_type=MemberConnection,
    )
    messages: MessageConnection = strawberry.field(
        resolver=_messages, description=_MESSAGES, graphql_type=MessageConnection
    )


@describes(channels.Chat)
@strawberry.type(description="Two people, or one with their own notes.")
class Chat(Channel, Node):
    id: strawberry.ID = global_id_field(_id_of)

    @strawberry.field(
        description="The other person; the viewer, in a chat with oneself.", graphql_type=User
    )
    async def peer(
        root: strawberry.Parent[channels.Chat], info: strawberry.Info
    ) -> users.User | None:
        return await context_of(info).loaders.users.load(root.peer_id)


@describes(Edge)
@strawberry.type(description="A channel in a page.")
class ChannelEdge:
    cursor: str = strawberry.field(description="Its place, for `after`.")
    node: channels.Channel = strawberry.field(description="The channel.", graphql_type=Channel)


@describes(Page)
@strawberry.type(description="A page of channels.")
class ChannelConnection:
    edges: list[ChannelEdge] = strawberry.field(description="The channels with their cursors.")
    nodes: list[Channel] = strawberry.field(description="The channels.")
    page_info: PageInfo = strawberry.field(description="What lies around the page.")


@strawberry.type(description="The chat of the two people.")
class OpenChatPayload:
    chat: channels.Chat = strawberry.field(description="The chat.", graphql_type=Chat)
    created: bool = strawberry.field(description="True for the first openChat of the two people.")


OpenChatResult = Annotated[
    OpenChatPayload | Refusal,
    strawberry.union("OpenChatResult", description="The chat, or why there is none."),
]


@strawberry.type(description="The channel was changed for the viewer.")
class ChannelPayload:
    channel: channels.Channel = strawberry.field(
        description="The channel as it is now.", graphql_type=Channel
    )


ChannelResult = Annotated[
    ChannelPayload | Refusal,
    strawberry.union("ChannelResult", description="The channel, or why it was refused."),
]


@strawberry.input(description="A place in a channel's log.")
class PositionInput:
    channel_id: strawberry.ID = strawberry.field(description="The channel.")
    seq: int = strawberry.field(description="Everything up to this entry. Not negative.")


@strawberry.input(description="How far this device, and the viewer, have got.")
class AcknowledgeInput:
    delivered: list[PositionInput] | None = strawberry.field(
        description="Stored by this device: its inbox resumes after it.", default=None
    )
    read: list[PositionInput] | None = strawberry.field(
        description=(
            "Seen by the viewer. Counts as delivered in receipts, but does not move where this "
            "device resumes."
        ),
        default=None,
    )
    stored_media_ids: list[strawberry.ID] | None = strawberry.field(
        description=(
            "Media files that this device has stored for itself: a server may let go of what all "
            "members have. At most 200; those of no message that the viewer can read are passed "
            "over."
        ),
        default=None,
    )


@strawberry.type(
    description="Over all of the viewer's devices; a device resumes from what it holds itself."
)
class ChannelPosition:
    channel_id: strawberry.ID = strawberry.field(description="The channel.")
    delivered_seq: int = strawberry.field(description="The viewer has everything up to here.")
    read_seq: int = strawberry.field(description="The viewer has read everything up to here.")


@strawberry.type(description="Channels the viewer is not in are left out.")
class AcknowledgePayload:
    positions: list[ChannelPosition] = strawberry.field(
        description="The positions now in force, in the channels named."
    )


AcknowledgeResult = Annotated[
    AcknowledgePayload | Refusal,
    strawberry.union(
        "AcknowledgeResult", description="The positions in force, or why it was refused."
    ),
]
