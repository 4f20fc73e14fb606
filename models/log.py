"""The log: entries of channels, in seq order, and the batches in which they were committed.

`seq` has no holes: it is taken under the channel's row lock by the transaction that writes the
entry, so seq order is commit order. A batch is what one outbox row says: entries, and who was in
their channels when they were written.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from models.database import Database
from models.messages import COLUMNS, Message, hydrate_replies, hydrate_senders, message_of


class Entry(msgspec.Struct):
    """One change of a channel for its members. `message` is the one it adds (or, with other
    changes, is about).
    """

    channel_id: str
    seq: int
    at: datetime
    message: Message


class Recipients(msgspec.Struct):
    """Who is to hear of a channel's entries, and the entry that brought each in."""

    user_ids: list[str]
    joined_seqs: list[int]


class Batch(msgspec.Struct):
    """Committed entries, and their recipients by channel."""

    outbox_channel_id: str
    outbox_id: str
    entries: list[Entry]
    recipients: dict[str, Recipients]


async def hydrate_entries(database: Database, entries: Sequence[Entry]) -> None:
    """Everything that rendering may ask of an entry, whoever it is for: no look-up per
    subscriber.
    """
    messages = [entry.message for entry in entries]
    await hydrate_replies(database, messages)
    originals = [m.reply_to for m in messages if isinstance(m.reply_to, Message)]
    await hydrate_senders(database, [*messages, *originals])


async def list_entries(
    database: Database, channel_id: str, *, after_seq: int, up_to_seq: int, most: int
) -> list[Entry]:
    """A channel's entries after one seq, up to another, oldest first. Checks no membership: the
    caller knows it.
    """
    rows = await database.fetch(
        f"""
        SELECT {COLUMNS} FROM messages m
        WHERE m.channel_id = $1 AND m.seq > $2 AND m.seq <= $3 ORDER BY m.seq LIMIT $4
        """,
        channel_id,
        after_seq,
        up_to_seq,
        most,
    )
    return _entries([message_of(row) for row in rows])


async def list_entries_at(database: Database, places: Sequence[tuple[str, int]]) -> list[Entry]:
    """The entries at these places (channel and seq), in the order of the places."""
    rows = await database.fetch(
        f"""
        SELECT {COLUMNS}
        FROM unnest($1::uuid[], $2::integer[]) WITH ORDINALITY AS p (channel_id, seq, ord)
        JOIN messages m ON m.channel_id = ANY ($1) AND m.channel_id = p.channel_id AND m.seq = p.seq
        ORDER BY p.ord
        """,
        [place[0] for place in places],
        [place[1] for place in places],
    )
    return _entries([message_of(row) for row in rows])


def _entries(messages: list[Message]) -> list[Entry]:
    return [Entry(m.channel_id, m.seq, m.sent_at, m) for m in messages]


class Standing(msgspec.Struct, frozen=True):
    """Where a user stands in a channel: since which entry they are in it, and how long its log
    is.
    """

    channel_id: str
    joined_seq: int
    last_seq: int


async def list_standings(
    database: Database, user_id: str, channel_ids: Sequence[str] | None = None
) -> list[Standing]:
    """The user's channels (or those named, if the user is in them) with the newest seq of each,
    from the primary.
    """
    if channel_ids is None:
        mine = await database.fetch(
            "SELECT channel_id FROM user_channels WHERE user_id = $1 AND left_seq IS NULL", user_id
        )
        channel_ids = [row[0] for row in mine]
    if not channel_ids:
        return []
    rows = await database.fetch(
        """
        SELECT v.channel_id, v.joined_seq, c.last_seq
        FROM members v JOIN channels c ON c.id = ANY ($1) AND c.id = v.channel_id
        WHERE v.channel_id = ANY ($1) AND v.user_id = $2 AND v.left_seq IS NULL
        """,
        list(channel_ids),
        user_id,
    )
    return [Standing(*row) for row in rows]


async def list_device_positions(database: Database, user_id: str, device_id: str) -> dict[str, int]:
    """Where the device's inbox resumes, by channel."""
    rows = await database.fetch(
        "SELECT channel_id, delivered_seq FROM device_positions WHERE user_id = $1 AND "
        "device_id = $2",
        user_id,
        device_id,
    )
    return {row[0]: row[1] for row in rows}
