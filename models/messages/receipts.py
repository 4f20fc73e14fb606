"""Receipts of a message: who has received and read it, member by member of its audience.

It is exact: the time is that of the first receipt that covers the message. Only the sender is told,
and only as long as the membership lasts in which they sent it.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import IntEnum

import msgspec

from models.postgresql.database import Database
from models.postgresql.lanes import channel_of, fetch_lanes, parallel


class ReceiptKind(IntEnum):
    """Which position a receipt moved forward: `receipts.kind`."""

    DELIVERED = 1
    READ = 2


class Receipt(msgspec.Struct, frozen=True):
    """When one of a message's audience received and read it."""

    user_id: str
    delivered_at: datetime | None
    read_at: datetime | None


# The audience: members other than the sender whose membership covers the message. `hides_receipts`
# is a mark of chats: where one of the two hides reading, neither sees the other's. $1 channels and
# $2 seqs are parallel, $3 the sender, $4 the user to begin after, $5 how many.
_RECEIPTS = f"""
SELECT p.channel_id, p.seq, b.user_id, d.at AS delivered_at, r.at AS read_at
FROM unnest($1::uuid[], $2::integer[]) AS p (channel_id, seq)
JOIN members v ON v.channel_id = ANY ($1) AND v.channel_id = p.channel_id AND v.user_id = $3
    AND v.left_seq IS NULL AND v.joined_seq <= p.seq
CROSS JOIN LATERAL (
    SELECT n.user_id, n.shown_delivered_seq, n.shown_read_seq FROM members n
    WHERE n.channel_id = ANY ($1) AND n.channel_id = p.channel_id AND n.user_id <> $3
      AND n.left_seq IS NULL AND n.joined_seq <= p.seq
      AND ($4::uuid IS NULL OR n.user_id > $4)
    ORDER BY n.user_id LIMIT $5
) b
LEFT JOIN LATERAL (
    SELECT x.at FROM receipts x
    WHERE x.channel_id = ANY ($1) AND x.channel_id = p.channel_id AND x.user_id = b.user_id
      AND x.kind = {ReceiptKind.DELIVERED:d} AND x.up_to_seq >= p.seq
    ORDER BY x.up_to_seq LIMIT 1
) d ON b.shown_delivered_seq >= p.seq
LEFT JOIN LATERAL (
    SELECT x.at FROM receipts x
    WHERE x.channel_id = ANY ($1) AND x.channel_id = p.channel_id AND x.user_id = b.user_id
      AND x.kind = {ReceiptKind.READ:d} AND x.up_to_seq >= p.seq
    ORDER BY x.up_to_seq LIMIT 1
) r ON b.shown_read_seq >= p.seq AND NOT EXISTS (
    SELECT FROM members h
    WHERE h.channel_id = ANY ($1) AND h.channel_id = p.channel_id AND h.hides_receipts
)
ORDER BY b.user_id
"""


async def page_receipts(
    database: Database,
    sender_id: str,
    places: Sequence[tuple[str, int]],
    *,
    first: int,
    after_user_id: str | None,
) -> dict[tuple[str, int], tuple[list[Receipt], bool]]:
    """Return, for each of the sender's messages (by channel and seq), a page of its audience in the
    order of user ids, and whether more follow. Messages without an audience are left out.
    """
    rows = await fetch_lanes(
        database,
        _RECEIPTS,
        places,
        lambda lane: (*parallel(lane)[:2], sender_id, after_user_id, first + 1),
        lane_of=channel_of,
    )
    pages: dict[tuple[str, int], list[Receipt]] = {}
    for row in rows:
        receipt = Receipt(row["user_id"], row["delivered_at"], row["read_at"])
        pages.setdefault((row["channel_id"], row["seq"]), []).append(receipt)
    return {place: (found[:first], len(found) > first) for place, found in pages.items()}
