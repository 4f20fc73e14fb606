"""Acknowledgements: what a device says it has stored and its user has read, and the answer."""

from typing import Annotated

import strawberry

from schema.refusals import Refusal


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
    stream_id: strawberry.ID | None = strawberry.field(
        description="The stream that `cursor` came from, by the name that its `inbox` was given.",
        default=None,
    )
    cursor: str | None = strawberry.field(
        description=(
            "A cursor of InboxReady or InboxProgress: everything that the stream `streamId` has "
            "given up to there is stored by the client, and delivered. The stream goes on after it "
            "when it is opened again."
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
    delivered_seq: int = strawberry.field(
        description=("The viewer has received all entries up to this seq.")
    )
    read_seq: int = strawberry.field(
        description=("The viewer has read all entries up to this seq.")
    )


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
    strawberry.union("AcknowledgeResult", description="The viewer's positions, or a Refusal."),
]
