"""Events of the inbox about the stream itself and its session."""

from datetime import datetime
from typing import Any

import strawberry

from models.log import events
from schema.channels.events import InboxEvent, at_field, channel_id_field
from schema.fields import derived_field
from schema.scalars import DateTime
from schema.sources import describes


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
    at: datetime = at_field()
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
    at: datetime = at_field()
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
    at: datetime = at_field()
    channel_id: strawberry.ID = channel_id_field()
    seq: int = strawberry.field(description="The stream continues after this entry.")


@describes(events.SessionExpiring)
@strawberry.type(
    description=(
        "The session ends soon. Call refreshSession on any connection of the device, or the "
        "socket closes with 4401 at `expiresAt`."
    )
)
class SessionExpiring(InboxEvent):
    at: datetime = at_field()
    expires_at: datetime = strawberry.field(
        description="When the session ends.", graphql_type=DateTime
    )
