"""The Subscription fields: where live delivery meets the schema.

Each gives a feed, not a generator: a socket takes a feed's occurrences by a call, without a task
for each subscriber.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Annotated, Any

import strawberry
from strawberry.types.nodes import Selection

from models import ids
from models.limits.limits import Limits
from models.log.streams.named import InboxStart, require_stream_id
from models.refusals import invalid
from schema.channels.acknowledgements import PositionInput
from schema.channels.events import InboxEvent
from schema.channels.state_events import ReceiptUpdated, TypingUpdated
from schema.context import context_of
from schema.global_ids import ChannelId, require_channel_id
from schema.messages.messages import Message
from schema.users.presence import Presence

MOST_HEARTBEAT_S = 3600

_INBOX = """\
Sends all events of the viewer's channels, and of the viewer's own state, as one stream.

The entries of a channel come once each, in order and without gaps. There is no order between
channels. The stream first sends what the client missed, then InboxReady, then live events.

Go on from `after`, or from `cursor` (not both: INVALID_INPUT), or by `streamId`: a name that the
client makes, one for each local store (a tab, an app), at most 10 a device, kept for 30 days. A
stream with a streamId goes on after the later of what is passed and what was acknowledged under
that streamId, so that a client library that subscribes again with its first variables gets nothing
twice. What was only written to a connection does not count as taken. A cursor of somebody else, or
one that is too old, gives ResyncRequired, for every channel.

If neither `after`, nor a cursor, nor an acknowledgement of the stream names a channel, the channel
begins after what this device last acknowledged as delivered. If this device has acknowledged
nothing in it, it begins with the entry by which the viewer joined, or at the device's sign-in if
that was later. A stream with a streamId keeps these places from its first subscription on, whatever
other streams of the device acknowledge. A position that is too far back, past the end of the log or
from an earlier membership gives ResyncRequired.

If a device uses an eleventh streamId, the server forgets the one that was used least recently. When
that stream comes back, it gets ResyncRequired for every channel that `after` does not name, until
its client acknowledges a cursor. The same holds for a streamId that was not used for 30 days.

A channel that the viewer joins later joins the stream. A channel that the viewer leaves ends with
the entry that says so. A channel that the viewer left while disconnected gives only that entry,
until it is acknowledged or named in `after`; other channels in `after` that the viewer is not in
are ignored. If an event names a channel that the client does not know, fetch the channel.

State that is in no log (positions, unread counts, mutes, profile, privacy, blocks, devices) is sent
live with its whole new value. It is not sent again after a reconnect: fetch it after InboxReady."""

_MESSAGE_ADDED = """\
Sends the new messages of one channel, including SYSTEM messages: those after `afterSeq`, or from
now on if it is not given. The stream completes when the viewer leaves the channel. If `afterSeq` is
too far back, the stream ends with the error code RESYNC_REQUIRED."""


@strawberry.type(description="Streams of events that a client can follow.")
class Subscription:
    @strawberry.subscription(description=_INBOX, graphql_type=AsyncGenerator[InboxEvent, None])
    async def inbox(
        self,
        info: strawberry.Info,
        after: Annotated[
            list[PositionInput] | None,
            strawberry.argument(description="The client's positions, by channel. At most 1,000."),
        ] = None,
        cursor: Annotated[
            str | None,
            strawberry.argument(
                description="A cursor of InboxReady or InboxProgress, of this user and device."
            ),
        ] = None,
        stream_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(
                description="What the client calls this stream. 1 to 64 characters."
            ),
        ] = None,
        heartbeat_seconds: Annotated[
            int | None,
            strawberry.argument(
                description=(
                    "How many seconds after something was sent InboxProgress follows, at most. 1 "
                    "to 3,600; 30 by default."
                )
            ),
        ] = None,
    ) -> Any:
        context = context_of(info)
        viewer = context.require_viewer()
        limits = context.resources.limits
        if after is not None and cursor is not None:
            raise invalid("Pass `after` or `cursor`, not both.", "cursor")
        heartbeat_s = _require_heartbeat(heartbeat_seconds, limits)
        start = InboxStart(
            _positions(after or [], limits.position_inputs),
            cursor,
            None if stream_id is None else require_stream_id(stream_id, limits),
            heartbeat_s if _selects_progress(info.selected_fields) else None,
        )
        return await context.resources.live.follow_inbox(viewer, start)

    @strawberry.subscription(description=_MESSAGE_ADDED, graphql_type=AsyncGenerator[Message, None])
    async def message_added(
        self,
        info: strawberry.Info,
        channel_id: ChannelId,
        after_seq: Annotated[
            int | None,
            strawberry.argument(
                description="The seq of the last entry that the client has stored."
            ),
        ] = None,
    ) -> Any:
        context = context_of(info)
        viewer = context.require_viewer()
        inner_id = require_channel_id(channel_id)
        if after_seq is not None and after_seq < 0:
            raise invalid("A seq is not negative.", "afterSeq")
        return await context.resources.live.follow_messages(viewer, inner_id, after_seq)

    @strawberry.subscription(
        description=(
            "Sends receipts for the viewer's messages in one channel, live: at most one a second "
            "for each member. The stream completes when the viewer leaves the channel."
        ),
        graphql_type=AsyncGenerator[ReceiptUpdated, None],
    )
    async def receipt_updated(
        self,
        info: strawberry.Info,
        channel_id: ChannelId,
    ) -> Any:
        context = context_of(info)
        viewer = context.require_viewer()
        inner_id = require_channel_id(channel_id)
        return await context.resources.live.follow_signals(viewer, inner_id, "receipts")

    @strawberry.subscription(
        description=(
            "Says which members of one channel start and stop typing, live. The stream completes "
            "when the viewer leaves the channel."
        ),
        graphql_type=AsyncGenerator[TypingUpdated, None],
    )
    async def typing_updated(
        self,
        info: strawberry.Info,
        channel_id: ChannelId,
    ) -> Any:
        context = context_of(info)
        viewer = context.require_viewer()
        inner_id = require_channel_id(channel_id)
        return await context.resources.live.follow_signals(viewer, inner_id, "typing")

    @strawberry.subscription(
        description=(
            "The presence of up to 100 users: first as it is now, then each change. Users who "
            "hide their presence from the viewer are left out; a user who starts to hide it is "
            "sent as offline once more."
        ),
        graphql_type=AsyncGenerator[Presence, None],
    )
    async def presence(
        self,
        info: strawberry.Info,
        user_ids: Annotated[
            list[strawberry.ID],
            strawberry.argument(
                description="The users to follow. At most 100; unknown ids are ignored."
            ),
        ],
    ) -> Any:
        context = context_of(info)
        viewer = context.require_viewer()
        most = context.resources.limits.presence_user_ids
        if len(user_ids) > most:
            raise invalid(f"At most {most} people are allowed here.", "userIds")
        inner_ids = [ids.parse_plain("usr", user_id) for user_id in user_ids]
        known = [inner_id for inner_id in inner_ids if inner_id is not None]
        return await context.resources.live.follow_presence(viewer, known)


def _require_heartbeat(seconds: int | None, limits: Limits) -> float:
    if seconds is None:
        return limits.progress_interval_s
    if not 1 <= seconds <= MOST_HEARTBEAT_S:
        raise invalid(
            f"A number of seconds from 1 to {MOST_HEARTBEAT_S} is needed here.", "heartbeatSeconds"
        )
    return seconds


def _selects_progress(selections: Iterable[Selection]) -> bool:
    """Return whether a fragment on InboxProgress is anywhere in the selection: what has none would
    show of it at most that it came.
    """
    return any(
        getattr(each, "type_condition", None) == "InboxProgress"
        or _selects_progress(each.selections)
        for each in selections
    )


def _positions(after: list[PositionInput], most: int) -> Mapping[str, int]:
    if len(after) > most:
        raise invalid(f"At most {most} positions are allowed here.", "after")
    positions: dict[str, int] = {}
    for place, position in enumerate(after):
        if position.seq < 0:
            raise invalid("A seq is not negative.", f"after.{place}.seq")
        channel_id = ids.parse_plain("chn", position.channel_id)
        if channel_id is not None:
            positions[channel_id] = position.seq
    return positions
