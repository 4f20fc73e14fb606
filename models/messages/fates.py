"""Fates: how a message fared with its audience, as only its sender is told."""

from collections.abc import Sequence
from datetime import datetime
from enum import IntEnum

import asyncpg
import msgspec

from models.messages.receipts import ReceiptKind
from models.postgresql.database import Database
from models.postgresql.lanes import channel_of, fetch_lanes, parallel


class MessageStatus(IntEnum):
    SENT = 1
    DELIVERED = 2
    READ = 3


class Fate(msgspec.Struct, frozen=True):
    """How a message fared with its audience: the members other than its sender who were in when it
    was said.
    """

    audience: int
    delivered: int
    read: int
    # When the last of the audience had it; None while somebody has not.
    delivered_at: datetime | None
    seen_at: datetime | None

    @property
    def status(self) -> MessageStatus:
        if self.audience and self.read == self.audience:
            return MessageStatus.READ
        if self.audience and self.delivered == self.audience:
            return MessageStatus.DELIVERED
        return MessageStatus.SENT


NO_FATE = Fate(0, 0, 0, None, None)


async def list_fates(
    database: Database, sender_id: str, places: Sequence[tuple[str, int]]
) -> dict[tuple[str, int], Fate]:
    """Return the fates of a sender's messages, by channel and seq.

    They are exact: the time is that of the first receipt that covers the message. A message that is
    not in the sender's membership (they left, and may still repeat the send) has no fate.
    """
    rows = await fetch_lanes(
        database,
        f"""
        SELECT p.channel_id, p.seq, count(*) AS audience,
               count(*) FILTER (WHERE b.shown_delivered_seq >= p.seq) AS delivered,
               count(*) FILTER (WHERE b.shown_read_seq >= p.seq AND NOT h.hidden) AS read,
               max(d.at) AS delivered_at, max(r.at) AS seen_at
        FROM unnest($1::uuid[], $2::integer[]) AS p (channel_id, seq)
        JOIN members v ON v.channel_id = ANY ($1) AND v.channel_id = p.channel_id
            AND v.user_id = $3 AND v.left_seq IS NULL AND v.joined_seq <= p.seq
        JOIN members b ON b.channel_id = ANY ($1) AND b.channel_id = p.channel_id
            AND b.left_seq IS NULL AND b.joined_seq <= p.seq AND b.user_id <> $3
        CROSS JOIN LATERAL (
            -- A mark of chats: where one of the two hides reading, neither sees the other's.
            SELECT EXISTS (
                SELECT FROM members y
                WHERE y.channel_id = ANY ($1) AND y.channel_id = p.channel_id AND y.hides_receipts
            ) AS hidden
        ) h
        LEFT JOIN LATERAL (
            SELECT x.at FROM receipts x
            WHERE x.channel_id = ANY ($1) AND x.channel_id = p.channel_id AND x.user_id = b.user_id
              AND x.kind = {ReceiptKind.DELIVERED:d} AND x.up_to_seq >= p.seq
            ORDER BY x.up_to_seq LIMIT 1
        ) d ON true
        LEFT JOIN LATERAL (
            SELECT x.at FROM receipts x
            WHERE x.channel_id = ANY ($1) AND x.channel_id = p.channel_id AND x.user_id = b.user_id
              AND x.kind = {ReceiptKind.READ:d} AND x.up_to_seq >= p.seq
            ORDER BY x.up_to_seq LIMIT 1
        ) r ON true
        GROUP BY p.channel_id, p.seq
        """,
        places,
        lambda lane: (*parallel(lane)[:2], sender_id),
        lane_of=channel_of,
    )
    return {(row["channel_id"], row["seq"]): _fate_of(row) for row in rows}


def _fate_of(row: asyncpg.Record) -> Fate:
    """Leave the times out as long as somebody has not received or read the message."""
    audience, delivered, read = row["audience"], row["delivered"], row["read"]
    return Fate(
        audience,
        delivered,
        read,
        row["delivered_at"] if delivered == audience else None,
        row["seen_at"] if read == audience else None,
    )
