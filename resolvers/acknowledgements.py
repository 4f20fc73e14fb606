"""Acknowledging: what a device has stored, and what its user has read."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated

import strawberry

from models import ids
from models.devices.viewer import Viewer
from models.limits.limits import Limits
from models.log.acknowledgements import acknowledge, list_news
from models.log.streams.cursors import Cursors, StreamPositions
from models.log.streams.named import StreamName, Streams, require_stream_id
from models.media.stored import note_stored
from models.refusals import invalid
from schema.budgets import spends
from schema.channels.acknowledgements import (
    AcknowledgeInput,
    AcknowledgePayload,
    AcknowledgeResult,
    ChannelPosition,
    PositionInput,
)
from schema.context import Context, context_of
from schema.refusals import Refusal, answers_refusals


def _count_named(input: AcknowledgeInput) -> int:
    return sum(len(each or ()) for each in (input.delivered, input.read, input.stored_media_ids))


@strawberry.type
class AcknowledgementMutations:
    @strawberry.mutation(
        description=(
            "Moves the viewer's positions forward, in one or several channels. Safe to repeat: "
            "a position never moves back, and never past the end of the log. With `streamId` and "
            "`cursor` it also says that everything is stored that the stream gave up to there, and "
            "the stream goes on after it."
        ),
        graphql_type=AcknowledgeResult,
    )
    @answers_refusals
    @spends("acknowledgements_per_user", _count_named, of="input")
    async def acknowledge(
        self,
        info: strawberry.Info,
        input: Annotated[
            AcknowledgeInput,
            strawberry.argument(
                description="What this device has stored and what the viewer has read."
            ),
        ],
    ) -> AcknowledgePayload | Refusal:
        context = context_of(info)
        viewer = context.require_viewer()
        resources, now = context.resources, datetime.now(UTC)
        most = resources.limits.position_inputs
        delivered = require_positions(input.delivered, "delivered", most)
        read = require_positions(input.read, "read", most)
        stored_media = _require_stored_media(input.stored_media_ids, resources.limits)
        stream = _require_stream(input, context, viewer)
        streams = Streams(resources.database, resources.limits)
        if stream is not None:
            news = await list_news(resources.database, streams, *stream, now=now)
            if news:
                context.spend("acknowledgements_per_user", len(news))
            for channel_id, seq in news.items():
                delivered[channel_id] = max(seq, delivered.get(channel_id, 0))
        moved = await acknowledge(
            resources.database,
            resources.committer,
            viewer.user.id,
            viewer.device_id,
            delivered=delivered,
            read=read,
        )
        if stream is not None:
            # Last: what was stored but not delivered would not be delivered by a repetition.
            await streams.acknowledge(*stream, now=now)
        if read:
            context.note_active()
        if stored_media and resources.limits.media_delete_after_delivery:
            await note_stored(resources.database, viewer.user.id, stored_media)
        return AcknowledgePayload(
            positions=[
                ChannelPosition(
                    channel_id=strawberry.ID(ids.channel_global_id(m.channel_id)),
                    delivered_seq=m.delivered_seq,
                    read_seq=m.read_seq,
                )
                for m in sorted(moved, key=lambda m: m.channel_id)
            ]
        )


def _require_stream(
    input: AcknowledgeInput, context: Context, viewer: Viewer
) -> tuple[StreamName, StreamPositions] | None:
    """Return the stream that is acknowledged, and how far; None where none is.

    Raises:
        Refused: INVALID_INPUT.
    """
    if input.stream_id is None and input.cursor is None:
        return None
    if input.stream_id is None:
        raise invalid("A cursor is acknowledged for a stream: pass its streamId.", "streamId")
    if input.cursor is None:
        raise invalid("Pass the cursor up to which the stream is stored.", "cursor")
    stream_id = require_stream_id(input.stream_id, context.resources.limits)
    user_id, device_id = viewer.user.id, viewer.device_id
    cursor = Cursors(context.resources.tokens).read(input.cursor, user_id, device_id)
    if cursor is None:
        raise invalid("The cursor is none that this device's inbox has given.", "cursor")
    return StreamName(user_id, device_id, stream_id), cursor.positions


def require_positions(
    inputs: Iterable[PositionInput] | None, field: str, most: int
) -> dict[str, int]:
    """Return the farthest seq named for each channel id. Ids that are no channel's are left out, as
    unknown channels are.

    Raises:
        Refused: INVALID_INPUT, for a negative seq or more than `most` positions.
    """
    named = list(inputs or ())
    if len(named) > most:
        raise invalid(f"At most {most} positions are allowed here.", field)
    positions: dict[str, int] = {}
    for place, position in enumerate(named):
        if position.seq < 0:
            raise invalid("A seq is not negative.", f"{field}.{place}.seq")
        channel_id = ids.parse_plain("chn", position.channel_id)
        if channel_id is not None:
            positions[channel_id] = max(position.seq, positions.get(channel_id, 0))
    return positions


def _require_stored_media(media_ids: Sequence[str] | None, limits: Limits) -> list[str]:
    """Return the media ids, each once. Ids of something else are left out, as unknown media are."""
    named = media_ids or []
    if len(named) > limits.stored_media:
        raise invalid(f"At most {limits.stored_media} files are allowed here.", "storedMediaIds")
    inner_ids = [ids.parse_plain("med", media_id) for media_id in named]
    return list(dict.fromkeys(each for each in inner_ids if each is not None))
