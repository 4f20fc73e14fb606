"""The outbox: committed batches that are kept until dispatch has settled them and a worker has
checked whether they were received, and for at least 30 s.

Ages are compared by PostgreSQL's clock only.
"""

from collections.abc import Sequence

import asyncpg
import msgspec

from models.log.entries import Batch, Recipients, hydrate_entries, list_entries_at
from models.postgresql.database import Database
from models.postgresql.lanes import channel_of, fetch_lanes, parallel

OUTBOX_KEPT_S = 30
# Where no worker looks, rows go all the same.
UNCHECKED_KEPT_S = 600
# Where each shard takes a statement of its own.
DELETED_AT_ONCE = 5_000

_COLUMNS = """o.channel_id, o.id, o.entry_channel_ids, o.entry_seqs, o.recipient_channel_ids,
o.recipient_ids, o.recipient_joined_seqs"""


# Rows are locked in the order of their keys before they are written, or else two processes that
# write the same ones may each wait for the other. $1 channels, $2 ids (parallel).
_LOCKED = """
SELECT o.channel_id, o.id FROM outbox o, unnest($1::uuid[], $2::uuid[]) AS x (channel_id, id)
WHERE o.channel_id = ANY ($1) AND o.channel_id = x.channel_id AND o.id = x.id"""
# What nobody needs any more.
_OVER = """
SELECT o.channel_id, o.id FROM outbox o
WHERE o.settled_at IS NOT NULL AND o.created_at < now() - make_interval(secs => $1)
  AND (o.checked_at IS NOT NULL OR o.created_at < now() - make_interval(secs => $2))"""
_IN_ORDER = "ORDER BY o.channel_id, o.id FOR UPDATE OF o"


async def list_recent_batches(database: Database, *, most: int) -> list[Batch] | None:
    """Return all batches of the last 30 s, oldest first; None when there are more than `most`."""
    rows = await database.fetch(
        f"""
        SELECT {_COLUMNS} FROM outbox o WHERE o.created_at > now() - make_interval(secs => $1)
        ORDER BY o.created_at LIMIT $2
        """,
        OUTBOX_KEPT_S,
        most + 1,
    )
    return None if len(rows) > most else await _batches(database, rows)


async def list_unsettled_batches(
    database: Database, *, older_than_s: float, most: int
) -> list[Batch]:
    """Return batches that nobody settled in time, oldest first."""
    rows = await database.fetch(
        f"""
        SELECT {_COLUMNS} FROM outbox o
        WHERE o.settled_at IS NULL AND o.created_at < now() - make_interval(secs => $1)
        ORDER BY o.created_at LIMIT $2
        """,
        older_than_s,
        most,
    )
    return await _batches(database, rows)


async def settle_batches(database: Database, keys: Sequence[tuple[str, str]]) -> None:
    """Note that all who follow have been reached: these batches are not dispatched again."""
    await fetch_lanes(
        database,
        f"""
        WITH locked AS ({_LOCKED} AND o.settled_at IS NULL {_IN_ORDER})
        UPDATE outbox o SET settled_at = now() FROM locked x
        WHERE o.channel_id = ANY ($1) AND o.channel_id = x.channel_id AND o.id = x.id
        """,
        keys,
        _columns,
        lane_of=channel_of,
    )


async def delete_settled_batches(database: Database) -> None:
    """Delete the batches that nobody needs any more, except those that another process holds."""
    if not database.is_distributed:
        await database.execute(
            f"DELETE FROM outbox WHERE (channel_id, id) IN ({_OVER} FOR UPDATE SKIP LOCKED)",
            OUTBOX_KEPT_S,
            UNCHECKED_KEPT_S,
        )
        return
    deleted = DELETED_AT_ONCE
    while deleted == DELETED_AT_ONCE:
        rows = await database.fetch(
            f"{_OVER} LIMIT {DELETED_AT_ONCE}", OUTBOX_KEPT_S, UNCHECKED_KEPT_S
        )
        deleted = len(
            await fetch_lanes(
                database,
                f"DELETE FROM outbox d WHERE d.channel_id = ANY ($1) "
                f"AND (d.channel_id, d.id) IN ({_LOCKED} FOR UPDATE OF o SKIP LOCKED) RETURNING 1",
                [(row["channel_id"], row["id"]) for row in rows],
                _columns,
                lane_of=channel_of,
            )
        )


def _columns(keys: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [key[0] for key in keys], [key[1] for key in keys]


class UncheckedBatch(msgspec.Struct, frozen=True):
    """A batch that nobody has checked for having been received; `entry_*` are parallel."""

    channel_id: str
    id: str
    entry_channel_ids: list[str]
    entry_seqs: list[int]


async def list_unchecked_batches(
    database: Database, *, older_than_s: float, most: int
) -> list[UncheckedBatch]:
    """Return batches that nobody has checked yet, oldest first."""
    rows = await database.fetch(
        """
        SELECT o.channel_id, o.id, o.entry_channel_ids, o.entry_seqs FROM outbox o
        WHERE o.checked_at IS NULL AND o.created_at < now() - make_interval(secs => $1)
        ORDER BY o.created_at LIMIT $2
        """,
        older_than_s,
        most,
    )
    return [UncheckedBatch(**row) for row in rows]


# Members who have not read the newest message of somebody else among the entries at $1 (channels)
# and $2 (seqs, parallel), and whether a device of theirs has it; $3 the channels, each once.
_UNREAD = """
SELECT b.user_id, b.channel_id, max(e.seq) AS seq, bool_and(b.delivered_seq >= e.seq) AS delivered
FROM (
    SELECT p.channel_id, m.sender_id, max(m.seq) AS seq
    FROM unnest($1::uuid[], $2::integer[]) AS p (channel_id, seq)
    JOIN messages m ON m.channel_id = ANY ($3) AND m.channel_id = p.channel_id AND m.seq = p.seq
    WHERE m.sender_id IS NOT NULL AND m.deleted_at IS NULL
    GROUP BY p.channel_id, m.sender_id
) e
JOIN members b ON b.channel_id = ANY ($3) AND b.channel_id = e.channel_id
    AND b.user_id <> e.sender_id AND b.left_seq IS NULL AND b.joined_seq <= e.seq
    AND b.read_seq < e.seq
GROUP BY b.user_id, b.channel_id
"""


async def list_unread(
    database: Database, batches: Sequence[UncheckedBatch]
) -> list[tuple[str, str, int, bool]]:
    """Return (user, channel, seq, delivered) of all who have not read a message of the batches."""
    places = [
        place
        for batch in batches
        for place in zip(batch.entry_channel_ids, batch.entry_seqs, strict=True)
    ]
    rows = await fetch_lanes(database, _UNREAD, places, parallel, lane_of=channel_of)
    return [(row["user_id"], row["channel_id"], row["seq"], row["delivered"]) for row in rows]


async def note_checked(database: Database, batches: Sequence[UncheckedBatch]) -> None:
    """Note that a worker has checked these batches."""
    await fetch_lanes(
        database,
        f"""
        WITH locked AS ({_LOCKED} {_IN_ORDER})
        UPDATE outbox o SET checked_at = now() FROM locked x
        WHERE o.channel_id = ANY ($1) AND o.channel_id = x.channel_id AND o.id = x.id
        """,
        [(batch.channel_id, batch.id) for batch in batches],
        _columns,
        lane_of=channel_of,
    )


async def _batches(database: Database, rows: Sequence[asyncpg.Record]) -> list[Batch]:
    places = [place for row in rows for place in _places_of(row)]
    entries = await list_entries_at(database, places) if places else []
    await hydrate_entries(database, entries)
    by_place = {(entry.channel_id, entry.seq): entry for entry in entries}
    return [
        Batch(
            row["channel_id"],
            row["id"],
            [by_place[place] for place in _places_of(row) if place in by_place],
            _recipients(row),
            fresh=False,
        )
        for row in rows
    ]


def _places_of(row: asyncpg.Record) -> list[tuple[str, int]]:
    """Return the channel and seq of each entry of a batch."""
    return list(zip(row["entry_channel_ids"], row["entry_seqs"], strict=True))


def _recipients(row: asyncpg.Record) -> dict[str, Recipients]:
    recipients: dict[str, Recipients] = {}
    for channel_id, user_id, joined_seq in zip(
        row["recipient_channel_ids"],
        row["recipient_ids"],
        row["recipient_joined_seqs"],
        strict=True,
    ):
        to = recipients.setdefault(channel_id, Recipients([], []))
        to.user_ids.append(user_id)
        to.joined_seqs.append(joined_seq)
    return recipients


async def find_oldest_unsettled_s(database: Database) -> float:
    """Return the age in seconds of the oldest unsettled batch; 0 when there is none."""
    age = await database.fetchval(
        "SELECT extract(epoch FROM now() - min(o.created_at)) FROM outbox o "
        "WHERE o.settled_at IS NULL"
    )
    return float(age or 0)
