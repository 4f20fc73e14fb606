"""Events: what the inbox brings. Each names its channel and place where it has one."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import strawberry
from strawberry.types.nodes import SelectedField, Selection

from models import ids
from models.channels import channels, members
from models.log import events
from models.log.entries import Change
from models.messages import messages
from models.users import users
from schema.channels.channels import Channel, MemberPosition
from schema.context import context_of
from schema.enums import describe_enum
from schema.fields import SHARED, derived_field
from schema.messages.messages import Message
from schema.scalars import DateTime
from schema.sources import describes
from schema.users.users import User

_AT = "When it happened, by the server's clock. For showing; never for ordering."


def _channel_id_field() -> Any:
    return derived_field(
        lambda event: ids.channel_global_id(event.channel_id),
        description="The channel.",
        graphql_type=strawberry.ID,
        shared=True,
    )


@strawberry.interface(description="Something that happened to the viewer.")
class InboxEvent:
    at: datetime = strawberry.field(description=_AT, graphql_type=DateTime)


@strawberry.interface(description="An event with a place in a channel's log.")
class LogEvent(InboxEvent):
    channel_id: strawberry.ID = strawberry.field(description="The channel.")
    seq: int = strawberry.field(
        description="Its place in the channel's log. Gapless: the next event has the next one."
    )


@describes(events.MessageAdded)
@strawberry.type(description="A member said something.")
class MessageAdded(LogEvent, InboxEvent):
    at: datetime = strawberry.field(description=_AT, graphql_type=DateTime, metadata=SHARED)
    channel_id: strawberry.ID = _channel_id_field()
    seq: int = strawberry.field(description="Its place in the channel's log.", metadata=SHARED)
    message: messages.Message = strawberry.field(
        description="What was said.", graphql_type=Message, metadata=SHARED
    )


describe_enum(
    Change,
    "What was done to a message.",
    {
        "EDITED": "Its text was changed.",
        "DELETED": "It was deleted for everyone.",
        "REACTED": "A member reacted, or took a reaction back.",
        "MEDIA": "Its files are ready, or failed.",
    },
    name="MessageChange",
)


@describes(events.MessageUpdated)
@strawberry.type(description="A message changed. It comes whole.")
class MessageUpdated(LogEvent, InboxEvent):
    at: datetime = strawberry.field(description=_AT, graphql_type=DateTime, metadata=SHARED)
    channel_id: strawberry.ID = _channel_id_field()
    seq: int = strawberry.field(description="Its place in the channel's log.", metadata=SHARED)
    change: Change = strawberry.field(description="What was done.", metadata=SHARED)
    message: messages.Message = strawberry.field(
        description="The message as it is now.", graphql_type=Message, metadata=SHARED
    )


# The fields of a group that all members see alike.
_ALIKE = {
    "__typename",
    "id",
    "kind",
    "createdAt",
    "lastSeq",
    "name",
    "description",
    "avatar",
    "memberCount",
    "seatsLeft",
}


def _selected(selections: Iterable[Selection]) -> Iterator[str]:
    """Return the names of the selected fields, including those of fragments."""
    for selection in selections:
        if isinstance(selection, SelectedField):
            yield selection.name
        else:
            yield from _selected(selection.selections)


async def _channel(
    root: strawberry.Parent[events.ChannelUpdated], info: strawberry.Info
) -> channels.Channel | channels.GroupFacts | None:
    if root.gone:
        return None
    asked = {name for field in info.selected_fields for name in _selected(field.selections)}
    if root.facts is not None and asked <= _ALIKE:
        # Read without a viewer: this answer may be shared by all members.
        return root.facts
    return await context_of(info).loaders.channels.load(root.channel_id)


@describes(events.ChannelUpdated)
@strawberry.type(
    description=(
        "Name, picture, members or roles changed. Comes in place of MessageAdded for the SYSTEM "
        "message that says so."
    )
)
class ChannelUpdated(LogEvent, InboxEvent):
    at: datetime = strawberry.field(description=_AT, graphql_type=DateTime, metadata=SHARED)
    channel_id: strawberry.ID = _channel_id_field()
    seq: int = strawberry.field(description="Its place in the channel's log.", metadata=SHARED)
    message: messages.Message = strawberry.field(
        description="The SYSTEM message.", graphql_type=Message, metadata=SHARED
    )
    channel: channels.Channel | None = strawberry.field(
        resolver=_channel,
        description="The channel as it is now. Null for those whom this entry takes out.",
        graphql_type=Channel | None,
        metadata=SHARED,
    )


@describes(events.LogAdvanced)
@strawberry.type(
    description=(
        "A change to something the viewer may not see, as a message from before they joined. Only "
        "moves the position."
    )
)
class LogAdvanced(LogEvent, InboxEvent):
    at: datetime = strawberry.field(description=_AT, graphql_type=DateTime, metadata=SHARED)
    channel_id: strawberry.ID = _channel_id_field()
    seq: int = strawberry.field(description="Its place in the channel's log.", metadata=SHARED)


def _user_id_field() -> Any:
    return derived_field(
        lambda event: ids.user_global_id(event.user_id),
        description="The member.",
        graphql_type=strawberry.ID,
        shared=True,
    )


@describes(events.ReceiptUpdated)
@strawberry.type(
    description=(
        "Someone's position now covers more of the viewer's messages in a channel. The first comes "
        "at once, then at most one a second for each member and channel, with where they are then: "
        "in a group of 100 in which all acknowledge every message, an author gets at most 99 a "
        "second, however many messages there are. One who comes back after more than 2,000 entries "
        "is told to every member. Not sent in a chat for reading that one of the two hides, nor "
        "while one blocks the other."
    )
)
class ReceiptUpdated(InboxEvent):
    at: datetime = strawberry.field(description=_AT, graphql_type=DateTime, metadata=SHARED)
    channel_id: strawberry.ID = _channel_id_field()
    user_id: strawberry.ID = _user_id_field()
    delivered_seq: int = strawberry.field(
        description="They have everything up to here.", metadata=SHARED
    )
    read_seq: int = strawberry.field(
        description="They have read everything up to here; 0 where reading is hidden.",
        metadata=SHARED,
    )


@describes(events.TypingUpdated)
@strawberry.type(description="Ends by itself at expiresAt; typing false ends it sooner.")
class TypingUpdated(InboxEvent):
    at: datetime = strawberry.field(description=_AT, graphql_type=DateTime, metadata=SHARED)
    channel_id: strawberry.ID = _channel_id_field()
    user_id: strawberry.ID = _user_id_field()
    typing: bool = strawberry.field(description="Whether they type.", metadata=SHARED)
    expires_at: datetime = strawberry.field(
        description="When it ends by itself.", graphql_type=DateTime, metadata=SHARED
    )


@describes(events.ViewerChannelUpdated)
@strawberry.type(
    description=(
        "The viewer's position or mute in a channel changed, on any of their devices. New messages "
        "do not send it: count those."
    )
)
class ViewerChannelUpdated(InboxEvent):
    at: datetime = strawberry.field(description=_AT, graphql_type=DateTime)
    channel_id: strawberry.ID = _channel_id_field()
    position: members.MemberPosition = derived_field(
        lambda event: members.MemberPosition(event.user_id, event.delivered_seq, event.read_seq),
        description="Where the viewer has got to.",
        graphql_type=MemberPosition,
    )
    unread_count: int = strawberry.field(description="Messages by others that are not read.")
    last_seq: int = strawberry.field(description="unreadCount counts up to here.")
    muted_until: datetime | None = strawberry.field(
        description="Until when it is muted.", graphql_type=DateTime | None
    )


@describes(events.ViewerUpdated)
@strawberry.type(
    description=(
        "The viewer's profile, privacy, blocks or devices changed: fetch what you show of them."
    )
)
class ViewerUpdated(InboxEvent):
    at: datetime = strawberry.field(description=_AT, graphql_type=DateTime)
    viewer: users.User = strawberry.field(description="The viewer.", graphql_type=User)


@describes(events.InboxReady)
@strawberry.type(
    description=(
        "All that was missed has been sent; what follows is live. Comes again after the server "
        "repaired a loss: fetch "
        "again what is in no log."
    )
)
class InboxReady(InboxEvent):
    at: datetime = strawberry.field(description=_AT, graphql_type=DateTime)
    replayed: int = strawberry.field(description="How many log entries were sent before it.")


@describes(events.ResyncRequired)
@strawberry.type(description="Drop what you hold of this channel, fetch it, and go on from seq.")
class ResyncRequired(InboxEvent):
    at: datetime = strawberry.field(description=_AT, graphql_type=DateTime)
    channel_id: strawberry.ID = _channel_id_field()
    seq: int = strawberry.field(description="The stream goes on after this entry.")


@describes(events.SessionExpiring)
@strawberry.type(
    description=(
        "The socket closes with 4401 at expiresAt unless refreshSession is called, on any "
        "connection of the device."
    )
)
class SessionExpiring(InboxEvent):
    at: datetime = strawberry.field(description=_AT, graphql_type=DateTime)
    expires_at: datetime = strawberry.field(
        description="When the session ends.", graphql_type=DateTime
    )
