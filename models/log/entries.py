"""The log: entries of channels, in seq order, and the batches in which they were committed.

`seq` has no holes: it is taken under the channel's row lock by the transaction that writes the
entry, so seq order is commit order. A batch is what one outbox row says: entries, and who was in
their channels when they were written. An entry is a message (`messages`) or a change to one
(`changes`); replay is the two tables merged by seq.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import IntEnum

import asyncpg
import msgspec

from models.channels.channels import GroupFacts, list_group_facts
from models.messages.hydration import hydrate_media, hydrate_replies, hydrate_senders
from models.messages.messages import COLUMNS, Message, MessageKind, message_of
from models.messages.notices import hydrate_notices
from models.postgresql.database import Database
from models.postgresql.lanes import channel_of, fetch_by_id, fetch_lanes, parallel


class Change(IntEnum):
    """What an entry does to a stored message. An entry without a change adds a message."""

    EDITED = 1
    DELETED = 2
    REACTED = 3
    MEDIA = 4


class Entry(msgspec.Struct):
    """One change of a channel for its members.

    `message` is what the entry adds or changes, as it is after the entry. `takes_out` are the ids
    of the users who are no longer in the channel after it.
    """

    channel_id: str
    seq: int
    at: datetime
    message: Message
    change: Change | None = None
    takes_out: list[str] = []
    # The group as it is after a notice, hydrated.
    group: GroupFacts | None = None

    @property
    def is_notice(self) -> bool:
        return self.message.kind is MessageKind.SYSTEM


class Recipients(msgspec.Struct):
    """Who is to hear of a channel's entries, and the entry that brought each in."""

    user_ids: list[str]
    joined_seqs: list[int]


class Batch(msgspec.Struct):
    """Committed entries, and their recipients by channel id.

    `fresh` batches come from whoever wrote them, right after the commit: nobody can have received
    them yet. Batches that were read back from the outbox are not fresh.
    """

    outbox_channel_id: str
    outbox_id: str
    entries: list[Entry]
    recipients: dict[str, Recipients]
    fresh: bool = True


async def hydrate_entries(database: Database, entries: Sequence[Entry]) -> None:
    """Read in bulk all that rendering may ask of an entry, whoever it is for, so that no subscriber
    causes a look-up.
    """
    messages = [entry.message for entry in entries]
    await hydrate_replies(database, messages)
    originals = [m.reply_to for m in messages if isinstance(m.reply_to, Message)]
    await hydrate_senders(database, [*messages, *originals])
    await hydrate_media(database, [*messages, *originals])
    await hydrate_notices(database, [m.system for m in messages])
    await _hydrate_groups(database, [e for e in entries if e.is_notice and e.group is None])


async def _hydrate_groups(database: Database, notices: Sequence[Entry]) -> None:
    if notices:
        facts = await list_group_facts(database, sorted({e.channel_id for e in notices}))
        for entry in notices:
            entry.group = facts.get(entry.channel_id)


_ENTRY_COLUMNS = f"{COLUMNS}, e.seq AS entry_seq, e.kind AS change, e.at"

# The entries of one channel in a range of seqs, messages and changes merged. $1 channel, $2 after,
# $3 up to, $4 at most.
_RANGE = f"""
SELECT {_ENTRY_COLUMNS}
FROM (
    (SELECT a.seq, 0::smallint AS kind, a.seq AS message_seq, a.sent_at AS at FROM messages a
     WHERE a.channel_id = $1 AND a.seq > $2 AND a.seq <= $3 ORDER BY a.seq LIMIT $4)
    UNION ALL
    (SELECT c.seq, c.kind, c.message_seq, c.at FROM changes c
     WHERE c.channel_id = $1 AND c.seq > $2 AND c.seq <= $3 ORDER BY c.seq LIMIT $4)
) e
JOIN messages m ON m.channel_id = $1 AND m.seq = e.message_seq
ORDER BY e.seq LIMIT $4
"""

# The entries at given places. $1 channels, $2 seqs (parallel), $3 the channels, each once.
# Two probes of primary keys a place, whatever the statistics say: without LIMIT the planner reads
# whole channels for a hash join, without ORDER BY it takes the index of client ids, which begins
# with the channel too (2,000 places of one channel: 560 ms instead of 20).
_PLACES = f"""
SELECT {_ENTRY_COLUMNS}
FROM (
    SELECT p.channel_id, p.seq, coalesce(c.kind, 0::smallint) AS kind,
           coalesce(c.message_seq, p.seq) AS message_seq, c.at
    FROM unnest($1::uuid[], $2::integer[]) AS p (channel_id, seq)
    LEFT JOIN LATERAL (
        SELECT b.kind, b.message_seq, b.at FROM changes b
        WHERE b.channel_id = ANY ($3) AND b.channel_id = p.channel_id AND b.seq = p.seq
        LIMIT 1
    ) c ON true
) e
CROSS JOIN LATERAL (
    SELECT * FROM messages n
    WHERE n.channel_id = ANY ($3) AND n.channel_id = e.channel_id AND n.seq >= e.message_seq
    ORDER BY n.seq LIMIT 1
) m
WHERE m.seq = e.message_seq
"""


def _entry_of(row: asyncpg.Record) -> Entry:
    message = message_of(row)
    return entry_of(
        message,
        seq=row["entry_seq"],
        change=Change(row["change"]) if row["change"] else None,
        at=row["at"] or message.sent_at,
    )


def entry_of(message: Message, *, seq: int, change: Change | None, at: datetime) -> Entry:
    """Return the entry of a message or of its change, as its seq's place in the log says it."""
    takes_out = [] if message.system is None or change else message.system.takes_out()
    return Entry(message.channel_id, seq, at, message, change, takes_out)


async def list_entries(
    database: Database, channel_id: str, *, after_seq: int, up_to_seq: int, most: int
) -> list[Entry]:
    """Return a channel's entries after one seq, up to another, oldest first, at most `most`.

    It checks no membership: the caller knows it.
    """
    rows = await database.fetch(_RANGE, channel_id, after_seq, up_to_seq, most)
    return [_entry_of(row) for row in rows]


async def list_entries_at(database: Database, places: Iterable[tuple[str, int]]) -> list[Entry]:
    """Return the entries at these places (channel and seq), in the order of the places."""
    in_order = list(places)
    rows = await fetch_lanes(database, _PLACES, in_order, parallel, lane_of=channel_of)
    entries = {(entry.channel_id, entry.seq): entry for entry in map(_entry_of, rows)}
    return [entries[place] for place in in_order if place in entries]


class Standing(msgspec.Struct, frozen=True):
    """Where a user stands in a channel: since which entry they are in it, how long its log is, and
    which entry took them out (None while they are in).
    """

    channel_id: str
    joined_seq: int
    last_seq: int
    left_seq: int | None


async def list_standings(
    database: Database, user_id: str, channel_ids: Sequence[str] | None = None
) -> list[Standing]:
    """Return how the user stands in their channels, those that they left included; or in those of
    the named channels that they were ever in.
    """
    if channel_ids is None:
        channel_ids = await list_channel_ids(database, user_id)
    if not channel_ids:
        return []
    rows = await fetch_by_id(
        database,
        """
        SELECT v.channel_id, v.joined_seq, c.last_seq, v.left_seq
        FROM members v JOIN channels c ON c.id = ANY ($1) AND c.id = v.channel_id
        WHERE v.channel_id = ANY ($1) AND v.user_id = $2
        """,
        channel_ids,
        user_id,
    )
    return [Standing(**row) for row in rows]


# The same of all of a user's channels, $1, and where a device of theirs resumes, $2. Two probes of
# primary keys a channel, whatever the statistics say.
_RESUMING = """
SELECT u.channel_id, v.joined_seq, c.last_seq, v.left_seq, p.delivered_seq
FROM user_channels u
CROSS JOIN LATERAL (
    SELECT m.joined_seq, m.left_seq FROM members m
    WHERE m.channel_id = u.channel_id AND m.user_id = $1 LIMIT 1
) v
CROSS JOIN LATERAL (SELECT h.last_seq FROM channels h WHERE h.id = u.channel_id LIMIT 1) c
LEFT JOIN device_positions p
    ON p.user_id = $1 AND p.device_id = $2 AND p.channel_id = u.channel_id
WHERE u.user_id = $1
"""


async def list_resuming(
    database: Database, user_id: str, device_id: str
) -> tuple[list[Standing], dict[str, int]]:
    """Return how the user stands in all of their channels, and the seq after which the device's
    inbox resumes, by channel id: of one snapshot, or what the device has first.
    """
    if database.is_distributed:
        positions = await list_device_positions(database, user_id, device_id)
        return await list_standings(database, user_id), positions
    rows = await database.fetch(_RESUMING, user_id, device_id)
    standings = [
        Standing(row["channel_id"], row["joined_seq"], row["last_seq"], row["left_seq"])
        for row in rows
    ]
    stored = ((row["channel_id"], row["delivered_seq"]) for row in rows)
    return standings, {channel_id: seq for channel_id, seq in stored if seq is not None}


async def list_channel_ids(database: Database, user_id: str) -> list[str]:
    """Return the channels that the user is in or has left."""
    rows = await database.fetch("SELECT channel_id FROM user_channels WHERE user_id = $1", user_id)
    return [row["channel_id"] for row in rows]


async def list_device_positions(database: Database, user_id: str, device_id: str) -> dict[str, int]:
    """Return the seq after which the device's inbox resumes, by channel id."""
    rows = await database.fetch(
        "SELECT channel_id, delivered_seq FROM device_positions "
        "WHERE user_id = $1 AND device_id = $2",
        user_id,
        device_id,
    )
    return {row["channel_id"]: row["delivered_seq"] for row in rows}
