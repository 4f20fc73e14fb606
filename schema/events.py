"""Events: what the inbox brings. Each names its channel and place where it has one."""

from datetime import datetime

import strawberry

from models import events, ids, messages
from schema.fields import SHARED, derived_field
from schema.messages import Message
from schema.scalars import DateTime
from schema.sources import describes

_AT = "When it happened, by the server's clock. For showing; never for ordering."


def _channel_id_field() -> object:
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
    channel_id: strawberry.ID = _channel_id_field()  # type: ignore[assignment]
    seq: int = strawberry.field(description="Its place in the channel's log.", metadata=SHARED)
    message: messages.Message = strawberry.field(
        description="What was said.", graphql_type=Message, metadata=SHARED
    )


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
    channel_id: strawberry.ID = _channel_id_field()  # type: ignore[assignment]
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
