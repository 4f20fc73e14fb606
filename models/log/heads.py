"""Heads of logs: how far the channels of many users go, to compare with what those users have."""

from collections.abc import Mapping, Sequence

import msgspec

from models.postgresql.database import Database
from models.postgresql.lanes import fetch_by_id, fetch_lanes


class Membership(msgspec.Struct, frozen=True):
    """Say since which entry a user is in a channel, and which took them out (None: none did)."""

    channel_id: str
    user_id: str
    joined_seq: int
    left_seq: int | None


async def list_channels_of(database: Database, user_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Return (user, channel) for all channels of these users, those that they left included."""
    rows = await fetch_by_id(
        database,
        "SELECT user_id, channel_id FROM user_channels WHERE user_id = ANY ($1)",
        user_ids,
    )
    return [(row["user_id"], row["channel_id"]) for row in rows]


async def find_last_seqs(database: Database, channel_ids: Sequence[str]) -> Mapping[str, int]:
    """Return the last seq of each channel."""
    rows = await fetch_by_id(
        database, "SELECT id, last_seq FROM channels WHERE id = ANY ($1)", channel_ids
    )
    return {row["id"]: row["last_seq"] for row in rows}


async def list_memberships(
    database: Database, pairs: Sequence[tuple[str, str]]
) -> list[Membership]:
    """Return how each of these (user, channel) stands."""
    rows = await fetch_lanes(
        database,
        """
        SELECT v.channel_id, v.user_id, v.joined_seq, v.left_seq
        FROM unnest($1::uuid[], $2::uuid[]) AS x (channel_id, user_id)
        JOIN members v ON v.channel_id = ANY ($3)
            AND v.channel_id = x.channel_id AND v.user_id = x.user_id
        """,
        pairs,
        lambda lane: (
            [channel_id for _, channel_id in lane],
            [user_id for user_id, _ in lane],
            sorted({channel_id for _, channel_id in lane}),
        ),
        lane_of=lambda pair: pair[1],
    )
    return [Membership(**row) for row in rows]
