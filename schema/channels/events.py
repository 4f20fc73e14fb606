"""Events: what the inbox brings. Each names its channel and place where it has one."""

from collections.abc import Iterable, Iterator, Mapping
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
from schema.channels.channels import Channel
from schema.channels.members import MemberPosition
from schema.context import context_of
from schema.enums import describe_enum
from schema.fields import SHARED, derived_field
from schema.messages.messages import Message
from schema.scalars import DateTime
from schema.sources import describes
from schema.users.users import User


def _at_field(metadata: Mapping[str, Any] | None = None) -> Any:
    return strawberry.field(
        description="When it happened, by the server's clock. Show it, but never sort by it.",
        graphql_type=DateTime,
        metadata=metadata,
    )


def _seq_field() -> Any:
    return strawberry.field(description="The event's number in the channel's log.", metadata=SHARED)


def _channel_id_field() -> Any:
    return derived_field(
        lambda event: ids.channel_global_id(event.channel_id),
        description="The channel.",
        graphql_type=strawberry.ID,
        shared=True,
    )


@strawberry.interface(description="An event of the viewer's inbox.")
class InboxEvent:
    at: datetime = _at_field()


@strawberry.interface(description="An event that has a number (seq) in a channel's log.")
class LogEvent(InboxEvent):
    channel_id: strawberry.ID = strawberry.field(description="The channel.")
    seq: int = strawberry.field(
        description=(
            "The event's number in the channel's log. The channel's next event has the next "
            "number, without gaps."
        )
    )


@describes(events.MessageAdded)
@strawberry.type(description="A member sent a message.")
class MessageAdded(LogEvent, InboxEvent):
    at: datetime = _at_field(SHARED)
    channel_id: strawberry.ID = _channel_id_field()
    seq: int = _seq_field()
    message: messages.Message = strawberry.field(
        description="The new message.", graphql_type=Message, metadata=SHARED
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
@strawberry.type(description="A message was changed. The event holds the whole message.")
class MessageUpdated(LogEvent, InboxEvent):
    at: datetime = _at_field(SHARED)
    channel_id: strawberry.ID = _channel_id_field()
    seq: int = _seq_field()
    change: Change = strawberry.field(
        description="What was changed in the message.", metadata=SHARED
    )
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
        "A channel's name, picture, members or roles changed. It is sent instead of "
        "MessageAdded for the SYSTEM message about the change."
    )
)
class ChannelUpdated(LogEvent, InboxEvent):
    at: datetime = _at_field(SHARED)
    channel_id: strawberry.ID = _channel_id_field()
    seq: int = _seq_field()
    message: messages.Message = strawberry.field(
        description="The SYSTEM message.", graphql_type=Message, metadata=SHARED
    )
    channel: channels.Channel | None = strawberry.field(
        resolver=_channel,
        description="The channel as it is now. Null if this change removed the viewer from it.",
        graphql_type=Channel | None,
        metadata=SHARED,
    )


@describes(events.LogAdvanced)
@strawberry.type(
    description=(
        "A change of something that the viewer may not see, such as a message from before "
        "the viewer joined. Only store the new position."
    )
)
class LogAdvanced(LogEvent, InboxEvent):
    at: datetime = _at_field(SHARED)
    channel_id: strawberry.ID = _channel_id_field()
    seq: int = _seq_field()


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
        "A member has received or read more of the viewer's messages in a channel. The "
        "first event is sent at once, later ones at most once a second for each member and "
        "channel, with the member's newest position. So an author in a group of 100 gets at "
        "most 99 a second. If a member moves by more than 2,000 entries at once, all "
        "members get the event. In a chat, reading is not reported if either user hides "
        "read receipts, and nothing is reported while one blocks the other."
    )
)
class ReceiptUpdated(InboxEvent):
    at: datetime = _at_field(SHARED)
    channel_id: strawberry.ID = _channel_id_field()
    user_id: strawberry.ID = _user_id_field()
    delivered_seq: int = strawberry.field(
        description="The member has received all entries up to this seq.", metadata=SHARED
    )
    read_seq: int = strawberry.field(
        description=(
            "The member has read all entries up to this seq. 0 if read receipts are hidden."
        ),
        metadata=SHARED,
    )


@describes(events.TypingUpdated)
@strawberry.type(
    description=(
        "A member is typing or has stopped. Show it until `expiresAt`, or until an event "
        "with `typing` false."
    )
)
class TypingUpdated(InboxEvent):
    at: datetime = _at_field(SHARED)
    channel_id: strawberry.ID = _channel_id_field()
    user_id: strawberry.ID = _user_id_field()
    typing: bool = strawberry.field(description="Whether the member is typing.", metadata=SHARED)
    expires_at: datetime = strawberry.field(
        description="When to stop showing that the member types.",
        graphql_type=DateTime,
        metadata=SHARED,
    )


@describes(events.ViewerChannelUpdated)
@strawberry.type(
    description=(
        "The viewer's position or mute in a channel changed, on any of the viewer's "
        "devices. It is not sent for new messages: add those to the unread count yourself."
    )
)
class ViewerChannelUpdated(InboxEvent):
    at: datetime = _at_field()
    channel_id: strawberry.ID = _channel_id_field()
    position: members.MemberPosition = derived_field(
        lambda event: members.MemberPosition(event.user_id, event.delivered_seq, event.read_seq),
        description="How much the viewer has received and read.",
        graphql_type=MemberPosition,
    )
    unread_count: int = strawberry.field(
        description="How many messages of others the viewer has not read."
    )
    last_seq: int = strawberry.field(
        description="The seq of the newest entry that unreadCount includes."
    )
    muted_until: datetime | None = strawberry.field(
        description="When the viewer's mute of the channel ends. Null if it is not muted.",
        graphql_type=DateTime | None,
    )


@describes(events.ViewerUpdated)
@strawberry.type(
    description=(
        "The viewer's profile, privacy settings, blocks or devices changed. Fetch again "
        "what you show of them."
    )
)
class ViewerUpdated(InboxEvent):
    at: datetime = _at_field()
    viewer: users.User = strawberry.field(description="The viewer.", graphql_type=User)


def _cursor_field(description: str) -> Any:
    return derived_field(
        lambda event: event.place.cursor(), description=description, graphql_type=str
    )


@describes(events.InboxReady)
@strawberry.type(
    description=(
        "All missed events have been sent, and live events follow. It is sent again after "
        "the server repaired a loss. Each time, fetch again the state that is in no log "
        "(positions, unread counts, mutes, profile, privacy, blocks, devices)."
    )
)
class InboxReady(InboxEvent):
    at: datetime = _at_field()
    replayed: int = strawberry.field(description="How many log entries were sent before it.")
    cursor: str = _cursor_field(
        "Where the stream is, in one opaque text, bound to user and device. Pass it to `inbox` to "
        "go on from here, or acknowledge it."
    )


@describes(events.InboxProgress)
@strawberry.type(
    description=(
        "Everything up to here has been sent. It comes during a long replay, after the events that "
        "it covers, and at least every `heartbeatSeconds` while something is sent; nothing comes "
        "where nothing was sent. Store what you got, then acknowledge the cursor. Only documents "
        "that select something of it get it."
    )
)
class InboxProgress(InboxEvent):
    at: datetime = _at_field()
    cursor: str = _cursor_field(
        "Where the stream is, in one opaque text, bound to user and device."
    )


@describes(events.ResyncRequired)
@strawberry.type(
    description=(
        "The device's position in this channel cannot be resumed. Delete what you have "
        "stored of the channel, fetch it again, and continue from `seq`."
    )
)
class ResyncRequired(InboxEvent):
    at: datetime = _at_field()
    channel_id: strawberry.ID = _channel_id_field()
    seq: int = strawberry.field(description="The stream continues after this entry.")


@describes(events.SessionExpiring)
@strawberry.type(
    description=(
        "The session ends soon. Call refreshSession on any connection of the device, or the "
        "socket closes with 4401 at `expiresAt`."
    )
)
class SessionExpiring(InboxEvent):
    at: datetime = _at_field()
    expires_at: datetime = strawberry.field(
        description="When the session ends.", graphql_type=DateTime
    )
