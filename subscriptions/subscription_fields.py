"""The Subscription fields: where live delivery meets the schema.

Each gives a feed, not a generator: a socket takes a feed's occurrences by a call, without a task
for each subscriber.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Annotated, Any

import strawberry

from models import ids
from models.refusals import invalid
from schema.channels.acknowledgements import PositionInput
from schema.channels.events import InboxEvent, ReceiptUpdated, TypingUpdated
from schema.context import context_of
from schema.global_ids import ChannelId, require_channel_id
from schema.messages.messages import Message
from schema.users.presence import Presence

_INBOX = """\
Sends all events of the viewer's channels, and of the viewer's own state, as one stream.

The entries of a channel come once each, in order and without gaps. There is no order between
channels. The stream first sends what the device missed, then InboxReady, then live events.

A channel begins after the position that `after` names for it. If `after` does not name it, it
begins after what this device last acknowledged as delivered. If this device has acknowledged
nothing in it, it begins with the entry by which the viewer joined, or at the device's sign-in if
that was later. A position that is too far back, past the end of the log or from an earlier
membership gives ResyncRequired.

A channel that the viewer joins later joins the stream. A channel that the viewer leaves ends with
the entry that says so. A channel that the viewer left while disconnected gives only that entry,
until this device acknowledges it or names it in `after`; other channels in `after` that the viewer
is not in are ignored. If an event names a channel that the client does not know, fetch the channel.

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
    ) -> Any:
        context = context_of(info)
        viewer = context.require_viewer()
        positions = _positions(after or [], context.resources.limits.position_inputs)
        return await context.resources.live.follow_inbox(viewer, positions)

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
