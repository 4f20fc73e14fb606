"""Receipt signals: a member's move is told to the authors of the messages that it now covers.

Nobody learns more than they may fetch: in a chat, nothing while one blocks the other, and nothing
of reading where one of the two hides it; nothing about messages from before the mover's or the
author's membership.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from models.channel_kinds import ChannelKind
from models.log.signals import ReceiptMoved, Signalled
from models.postgresql.database import Database
from models.postgresql.lanes import fetch_lanes

# Authors are looked for among the newest messages that a move covers. Where it covers more entries
# than this, every member is told: who was away for so long comes back once.
MOST_ENTRIES = 2000


class ShownMove(msgspec.Struct):
    """What others are shown of a member's positions in a channel, before and after."""

    channel_id: str
    user_id: str
    delivered_before: int
    delivered: int
    read_before: int
    read: int

    def covers_more(self) -> bool:
        return self.delivered > self.delivered_before or self.read > self.read_before


def merge_moves(first: ShownMove, then: ShownMove) -> ShownMove:
    """Make one move of two moves of one member in one channel."""
    return ShownMove(
        first.channel_id,
        first.user_id,
        min(first.delivered_before, then.delivered_before),
        max(first.delivered, then.delivered),
        min(first.read_before, then.read_before),
        max(first.read, then.read),
    )


# $1 to $6 are parallel, one element a move; $7 the channels, each once. What is read is delivered,
# so the messages that only the read position newly covers end where the delivered one was.
_COVERED = f"""
SELECT p.channel_id, p.user_id, c.kind, h.hidden, a.user_ids
FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::integer[], $5::integer[], $6::integer[])
    AS p (channel_id, user_id, delivered_before, delivered, read_before, read)
JOIN channels c ON c.id = ANY ($7) AND c.id = p.channel_id
JOIN members v ON v.channel_id = ANY ($7) AND v.channel_id = p.channel_id
    AND v.user_id = p.user_id AND v.left_seq IS NULL
CROSS JOIN LATERAL (
    SELECT
        c.kind = {ChannelKind.CHAT:d} AND EXISTS (
            SELECT FROM members y
            WHERE y.channel_id = ANY ($7) AND y.channel_id = p.channel_id AND y.hides_receipts
        ) AS hidden,
        c.kind = {ChannelKind.CHAT:d} AND EXISTS (
            SELECT FROM members y
            WHERE y.channel_id = ANY ($7) AND y.channel_id = p.channel_id AND y.blocks
        ) AS blocked
) h
CROSS JOIN LATERAL (
    SELECT array_agg(DISTINCT s.user_id) AS user_ids
    FROM (
        (SELECT n.sender_id, n.seq FROM messages n
         WHERE n.channel_id = ANY ($7) AND n.channel_id = p.channel_id AND n.seq >= v.joined_seq
           AND n.seq > p.delivered_before AND n.seq <= p.delivered
         ORDER BY n.seq DESC LIMIT $8)
        UNION ALL
        (SELECT n.sender_id, n.seq FROM messages n
         WHERE n.channel_id = ANY ($7) AND n.channel_id = p.channel_id AND n.seq >= v.joined_seq
           AND n.seq > p.read_before AND n.seq <= least(p.read, p.delivered_before)
           AND NOT h.hidden
         ORDER BY n.seq DESC LIMIT $8)
        UNION ALL
        (SELECT w.user_id, p.delivered FROM members w
         WHERE w.channel_id = ANY ($7) AND w.channel_id = p.channel_id
           AND (p.delivered - p.delivered_before > $8
                OR p.read - p.read_before > $8 AND NOT h.hidden))
    ) m
    JOIN members s ON s.channel_id = ANY ($7) AND s.channel_id = p.channel_id
        AND s.user_id = m.sender_id AND s.user_id <> p.user_id
        AND s.left_seq IS NULL AND s.joined_seq <= m.seq
    WHERE NOT h.blocked
) a
WHERE a.user_ids IS NOT NULL
"""


async def list_receipt_signals(
    database: Database, moves: Sequence[ShownMove], *, at: datetime
) -> list[Signalled]:
    """Return which signals these moves cause, and for whom, in the order of the moves. Each move is
    of another member or channel. It takes one statement a lane.
    """
    rows = await fetch_lanes(
        database, _COVERED, moves, _columns, lane_of=lambda move: move.channel_id
    )
    found = {(row["channel_id"], row["user_id"]): row for row in rows}
    covered = [(move, found.get((move.channel_id, move.user_id))) for move in moves]
    return [_signalled(move, row, at) for move, row in covered if row]


def _columns(moves: Sequence[ShownMove]) -> tuple[object, ...]:
    """Return the arguments of `_COVERED`."""
    return (
        [m.channel_id for m in moves],
        [m.user_id for m in moves],
        [m.delivered_before for m in moves],
        [m.delivered for m in moves],
        [m.read_before for m in moves],
        [m.read for m in moves],
        sorted({m.channel_id for m in moves}),
        MOST_ENTRIES,
    )


def _signalled(move: ShownMove, row: asyncpg.Record, at: datetime) -> Signalled:
    read_seq = 0 if row["hidden"] else move.read
    kind = ChannelKind(row["kind"])
    signal = ReceiptMoved(move.channel_id, move.user_id, move.delivered, read_seq, at, kind)
    return Signalled(signal, row["user_ids"])
