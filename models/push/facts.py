"""Read what pushes are decided from: what a member finds in a channel, and how much is unread."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from models.channel_kinds import ChannelKind
from models.channels.viewer_states import IS_UNREAD, UNREAD_COUNT
from models.messages.messages import MessageKind
from models.postgresql.database import Database
from models.postgresql.lanes import fetch_by_id, fetch_lanes
from models.push.claims import Claim
from models.push.states import PushKey, key_of

# More of a text than any push shows.
READ_LENGTH = 1000


class Unread(msgspec.Struct, frozen=True):
    """A message as a push may show it; `text` is cut."""

    seq: int
    kind: MessageKind
    sender_id: str
    text: str | None
    sent_at: datetime
    edited_at: datetime | None

    def __repr__(self) -> str:
        """Leave out what must not reach a log."""
        return f"Unread(seq={self.seq}, …)"


class Facts(msgspec.Struct, frozen=True):
    """A member's channel. `newest` is the newest message by somebody else that they have not read;
    `mention` the newest of those that mention them, looked for only while the channel is muted.
    """

    channel_kind: ChannelKind
    group_name: str | None
    last_seq: int
    delivered_seq: int
    muted: bool
    blocked: bool
    # Whether the message that is shown is there and unread still.
    shown_stands: bool
    newest: Unread | None
    mention: Unread | None


_UNREAD = f"""
SELECT m.seq, m.kind, m.sender_id, left(m.text, $6) AS text, m.sent_at, m.edited_at
FROM messages m WHERE {IS_UNREAD}
"""

# $1 channels, $2 users, $3 the same as text, $4 the seqs that are shown, $7 devices
# (parallel); $5 is the time.
_FACTS = f"""
SELECT x.user_id, x.device_id, x.channel_id,
    c.kind AS channel_kind, g.name AS group_name, c.last_seq,
    greatest(v.delivered_seq, v.read_seq) AS delivered_seq,
    coalesce(v.muted_until > $5, false) AS muted,
    c.kind = {ChannelKind.CHAT:d} AND EXISTS (
        SELECT FROM members b
        WHERE b.channel_id = ANY ($1) AND b.channel_id = x.channel_id AND b.blocks
    ) AS blocked,
    x.shown_seq > greatest(v.read_seq, v.joined_seq - 1) AND EXISTS (
        SELECT FROM messages z
        WHERE z.channel_id = ANY ($1) AND z.channel_id = x.channel_id AND z.seq = x.shown_seq
          AND z.deleted_at IS NULL
    ) AS shown_stands,
    n.seq AS newest_seq, n.kind AS newest_kind, n.sender_id AS newest_sender_id,
    n.text AS newest_text, n.sent_at AS newest_sent_at, n.edited_at AS newest_edited_at,
    w.seq AS mention_seq, w.kind AS mention_kind, w.sender_id AS mention_sender_id,
    w.text AS mention_text, w.sent_at AS mention_sent_at, w.edited_at AS mention_edited_at
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::integer[], $7::uuid[])
    AS x (channel_id, user_id, user_text, shown_seq, device_id)
JOIN channels c ON c.id = ANY ($1) AND c.id = x.channel_id
JOIN members v ON v.channel_id = ANY ($1) AND v.channel_id = x.channel_id
    AND v.user_id = x.user_id AND v.left_seq IS NULL
LEFT JOIN groups g ON g.channel_id = ANY ($1) AND g.channel_id = x.channel_id
LEFT JOIN LATERAL ({_UNREAD} ORDER BY m.seq DESC LIMIT 1) n ON true
LEFT JOIN LATERAL (
    {_UNREAD} AND m.details -> 'mentions' ? x.user_text ORDER BY m.seq DESC LIMIT 1
) w ON v.muted_until > $5
"""


async def list_facts(
    database: Database, claims: Sequence[Claim], *, now: datetime
) -> dict[PushKey, Facts]:
    """Read what each claim's member finds in the channel. Those who have left it are left out."""
    rows = await fetch_lanes(
        database,
        _FACTS,
        claims,
        lambda lane: (
            [claim.key.channel_id for claim in lane],
            [claim.key.user_id for claim in lane],
            [claim.key.user_id for claim in lane],
            [claim.shown_seq for claim in lane],
            now,
            READ_LENGTH,
            [claim.key.device_id for claim in lane],
        ),
        lane_of=lambda claim: claim.key.channel_id,
    )
    return {key_of(row): _facts_of(row) for row in rows}


def _facts_of(row: asyncpg.Record) -> Facts:
    return Facts(
        ChannelKind(row["channel_kind"]),
        row["group_name"],
        row["last_seq"],
        row["delivered_seq"],
        row["muted"],
        row["blocked"],
        row["shown_stands"],
        _unread_of(row, "newest"),
        _unread_of(row, "mention"),
    )


def _unread_of(row: asyncpg.Record, which: str) -> Unread | None:
    """Return the message of the columns that begin with `which`; None if there is none."""
    if row[f"{which}_seq"] is None:
        return None
    return Unread(
        row[f"{which}_seq"],
        MessageKind(row[f"{which}_kind"]),
        row[f"{which}_sender_id"],
        row[f"{which}_text"],
        row[f"{which}_sent_at"],
        row[f"{which}_edited_at"],
    )


async def count_badges(
    database: Database, user_ids: Sequence[str], *, unread_most: int
) -> dict[str, int]:
    """Count each user's unread messages in all channels; of one channel at most `unread_most`."""
    listed = await fetch_by_id(
        database,
        "SELECT user_id, channel_id FROM user_channels "
        "WHERE user_id = ANY ($1) AND left_seq IS NULL",
        user_ids,
    )
    rows = await fetch_lanes(
        database,
        f"""
        SELECT x.user_id, sum({UNREAD_COUNT})::integer AS unread
        FROM unnest($1::uuid[], $2::uuid[]) AS x (channel_id, user_id)
        JOIN channels c ON c.id = ANY ($1) AND c.id = x.channel_id
        JOIN members v ON v.channel_id = ANY ($1) AND v.channel_id = x.channel_id
            AND v.user_id = x.user_id AND v.left_seq IS NULL AND v.read_seq < c.last_seq
        GROUP BY x.user_id
        """,
        listed,
        lambda lane: (
            [row["channel_id"] for row in lane],
            [row["user_id"] for row in lane],
            unread_most,
        ),
        lane_of=lambda row: str(row["channel_id"]),
    )
    badges: dict[str, int] = {}
    for row in rows:
        badges[row["user_id"]] = badges.get(row["user_id"], 0) + row["unread"]
    return badges
