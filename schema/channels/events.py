"""Events of the inbox that are entries of a log, and the interfaces of all events."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import strawberry

from models import ids
from models.channels import channels
from models.log import events
from models.log.entries import Change
from models.messages import messages
from schema.channels.channels import Channel
from schema.context import context_of
from schema.enums import describe_enum
from schema.fields import SHARED, derived_field
from schema.messages.messages import Message
from schema.references import selected_names
from schema.scalars import DateTime
from schema.sources import describes


def at_field(metadata: Mapping[str, Any] | None = None) -> Any:
    """Make the field `at`, which every event has."""
    return strawberry.field(
        description="When it happened, by the server's clock. Show it, but never sort by it.",
        graphql_type=DateTime,
        metadata=metadata,
    )


def _seq_field() -> Any:
    return strawberry.field(description="The event's number in the channel's log.", metadata=SHARED)


def channel_id_field() -> Any:
    """Make the field `channelId` of events that have a channel."""
    return derived_field(
        lambda event: ids.channel_global_id(event.channel_id),
        description="The channel.",
        graphql_type=strawberry.ID,
        shared=True,
    )


@strawberry.interface(description="An event of the viewer's inbox.")
class InboxEvent:
    at: datetime = at_field()


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
    at: datetime = at_field(SHARED)
    channel_id: strawberry.ID = channel_id_field()
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
    at: datetime = at_field(SHARED)
    channel_id: strawberry.ID = channel_id_field()
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
    "title",
    "description",
    "avatar",
    "picture",
    "memberCount",
    "seatsLeft",
}


async def load_channel(root: Any, info: strawberry.Info) -> channels.Channel | None:
    """Read the channel of an event as its recipient sees it, for all recipients at once."""
    context = context_of(info)
    pair = (context.require_viewer().user.id, root.channel_id)
    return await context.resources.event_loads.channels.find(pair)


async def _channel(
    root: strawberry.Parent[events.ChannelUpdated], info: strawberry.Info
) -> channels.Channel | channels.GroupFacts | None:
    if root.gone:
        return None
    asked = {name for field in info.selected_fields for name in selected_names(field.selections)}
    if root.facts is not None and asked <= _ALIKE:
        # Read without a viewer: this answer may be shared by all members.
        return root.facts
    return await load_channel(root, info)


@describes(events.ChannelUpdated)
@strawberry.type(
    description=(
        "A channel's name, picture, members or roles changed. It is sent instead of "
        "MessageAdded for the SYSTEM message about the change."
    )
)
class ChannelUpdated(LogEvent, InboxEvent):
    at: datetime = at_field(SHARED)
    channel_id: strawberry.ID = channel_id_field()
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
    at: datetime = at_field(SHARED)
    channel_id: strawberry.ID = channel_id_field()
    seq: int = _seq_field()
