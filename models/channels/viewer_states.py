"""The viewer's own state in channels: positions, mute, and how many messages are unread."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from models.channel_kinds import ChannelKind
from models.postgresql.database import Database
from models.postgresql.lanes import fetch_by_id, fetch_lanes

# True of a message `m` that the member `v` of one of the channels $1 has not read: others have sent
# it after the member's read position. SYSTEM messages have no sender, so they do not count; nor do
# deleted ones.
IS_UNREAD = """
    m.channel_id = ANY ($1) AND m.channel_id = v.channel_id
    AND m.seq > greatest(v.read_seq, v.joined_seq - 1)
    AND m.sender_id <> v.user_id AND m.deleted_at IS NULL
"""
# How many messages the member `v` has not read in one of the channels $1, counted up to $3.
UNREAD_COUNT = f"""(
    SELECT count(*) FROM (SELECT FROM messages m WHERE {IS_UNREAD} LIMIT $3) unread
)"""


async def count_unread(
    database: Database, viewer_id: str, channel_ids: Sequence[str], *, most: int
) -> dict[str, int]:
    """Count the unread messages of each of the channels that the viewer is in, up to `most`."""
    rows = await fetch_by_id(
        database,
        f"""
        SELECT v.channel_id, {UNREAD_COUNT} AS unread_count
        FROM members v WHERE v.channel_id = ANY ($1) AND v.user_id = $2 AND v.left_seq IS NULL
        """,
        channel_ids,
        viewer_id,
        most,
    )
    return {row["channel_id"]: row["unread_count"] for row in rows}


class ViewerState(msgspec.Struct, frozen=True):
    """What only the viewer sees of a channel, read in one snapshot, as the event
    `ViewerChannelUpdated` says it.
    """

    channel_id: str
    user_id: str
    delivered_seq: int
    read_seq: int
    unread_count: int
    last_seq: int
    muted_until: datetime | None
    kind: ChannelKind


async def list_viewer_states(
    database: Database, pairs: Sequence[tuple[str, str]], *, unread_most: int
) -> list[ViewerState]:
    """Return the state of each of these (viewer, channel) whose viewer is in the channel; counts go
    up to `unread_most`.
    """
    rows = await fetch_lanes(
        database,
        f"""
        SELECT v.channel_id, v.user_id, v.delivered_seq, v.read_seq,
               {UNREAD_COUNT} AS unread_count, c.last_seq, v.muted_until, c.kind
        FROM unnest($4::uuid[], $2::uuid[]) AS x (channel_id, user_id)
        JOIN members v ON v.channel_id = ANY ($1)
            AND v.channel_id = x.channel_id AND v.user_id = x.user_id AND v.left_seq IS NULL
        JOIN channels c ON c.id = ANY ($1) AND c.id = v.channel_id
        """,
        pairs,
        lambda lane: (
            sorted({channel_id for _, channel_id in lane}),
            [viewer_id for viewer_id, _ in lane],
            unread_most,
            [channel_id for _, channel_id in lane],
        ),
        lane_of=lambda pair: pair[1],
    )
    return [ViewerState(**{**row, "kind": ChannelKind(row["kind"])}) for row in rows]
