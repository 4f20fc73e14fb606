"""Acknowledging: one device says what it has stored and what its user has read."""

from collections.abc import Mapping
from datetime import datetime

from models.log.committer import Committer
from models.log.device_positions import (
    DevicePosition,
    advance_device,
    advance_device_where_left,
)
from models.log.entries import list_channel_ids, list_device_positions
from models.log.positions import Move, Moved
from models.log.streams.cursors import StreamPositions
from models.log.streams.named import StreamName, Streams
from models.postgresql.database import Database


async def acknowledge(
    database: Database,
    committer: Committer,
    user_id: str,
    device_id: str,
    *,
    delivered: Mapping[str, int],
    read: Mapping[str, int],
) -> list[Moved]:
    """Move the user's positions forward to the seqs given by channel id, and remember where the
    device's inbox resumes.

    Returns the positions of the channels that the user is in. Others are left out.

    Raises:
        Refused: UNAVAILABLE.
    """
    moved = await committer.advance(
        Move(channel_id, user_id, delivered.get(channel_id, 0), read.get(channel_id, 0))
        for channel_id in delivered.keys() | read.keys()
    )
    stored = {
        move.channel_id: min(delivered[move.channel_id], move.delivered_seq)
        for move in moved
        if move.channel_id in delivered
    }
    if stored and database.is_distributed:
        await advance_device(database, user_id, device_id, stored)
    elif stored:
        await committer.store(
            DevicePosition(user_id, device_id, channel_id, seq)
            for channel_id, seq in stored.items()
        )
    left = {channel_id: seq for channel_id, seq in delivered.items() if channel_id not in stored}
    if left:
        await advance_device_where_left(database, user_id, device_id, left)
    return moved


async def list_news(
    database: Database,
    streams: Streams,
    name: StreamName,
    positions: StreamPositions,
    *,
    now: datetime,
) -> dict[str, int]:
    """Return the seqs, by channel id, of what a stream has stored since it was last acknowledged.
    An acknowledgement of thousands of channels mostly speaks of a few.
    """
    stream = await streams.find(name, now=now)
    if stream is None or stream.began is None:
        device = await list_device_positions(database, name.user_id, name.device_id)
        before = StreamPositions.of(device)
    else:
        before = stream.began if stream.acknowledged is None else stream.acknowledged
    news = positions.since(before)
    return news.resolve(await list_channel_ids(database, name.user_id)) if len(news) else {}
