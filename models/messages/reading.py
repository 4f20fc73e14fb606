"""Reading messages: by page, by place, the newest of a channel; as the viewer may see them, unless
a function says otherwise.
"""

from collections.abc import Sequence
from datetime import datetime

from models.messages.messages import COLUMNS, Message, message_of
from models.postgresql.database import Database
from models.postgresql.lanes import channel_of, fetch_by_id, fetch_lanes, parallel

# A message's channel and seq.
Place = tuple[str, int]


async def page_messages(
    database: Database,
    viewer_id: str,
    channel_id: str,
    *,
    after_seq: int | None,
    before_seq: int | None,
    first: int | None,
    last: int | None,
) -> tuple[list[Message], bool]:
    """Return messages between two seqs (both exclusive), oldest first: the `first` oldest or the
    `last` newest of them; and whether there are more on the far side.

    Only what came with the viewer's membership, which is checked in the same statement.
    """
    count = first if first is not None else last
    assert count is not None
    rows = await database.fetch(
        f"""
        SELECT {COLUMNS} FROM messages m
        WHERE m.channel_id = $1 AND m.seq > $3 AND m.seq < $4 AND m.seq >= (
            SELECT v.joined_seq FROM members v
            WHERE v.channel_id = $1 AND v.user_id = $2 AND v.left_seq IS NULL
        )
        ORDER BY m.seq {"ASC" if first is not None else "DESC"} LIMIT $5
        """,
        channel_id,
        viewer_id,
        after_seq if after_seq is not None else 0,
        before_seq if before_seq is not None else 2**31 - 1,
        count + 1,
    )
    messages = [message_of(row) for row in rows[:count]]
    if first is None:
        messages.reverse()
    return messages, len(rows) > count


# Halves the log again and again: each step looks at the first message from the middle on.
# Clocks of several servers may differ by a little, so neighbours may be out of order by as little.
_SEQ_AT = """
WITH RECURSIVE search (low, high) AS (
    SELECT 0, c.last_seq + 1 FROM channels c WHERE c.id = $1
    UNION ALL
    SELECT CASE WHEN p.sent_at <= $2 THEN p.seq ELSE s.low END,
           CASE WHEN p.sent_at <= $2 THEN s.high ELSE (s.low + s.high) / 2 END
    FROM search s
    LEFT JOIN LATERAL (
        SELECT n.seq, n.sent_at FROM messages n
        WHERE n.channel_id = $1 AND n.seq >= (s.low + s.high) / 2 AND n.seq < s.high
        ORDER BY n.seq LIMIT 1
    ) p ON true
    WHERE s.high - s.low > 1
)
SELECT max(low) FROM search
"""


async def find_seq_at(database: Database, channel_id: str, at: datetime) -> int:
    """Return the seq of the newest message that was stored at this time; 0 where none was. One
    statement, of as many steps as the log's length has binary digits.
    """
    seq: int | None = await database.fetchval(_SEQ_AT, channel_id, at)
    return seq or 0


async def page_messages_of_channels(
    database: Database,
    viewer_id: str,
    channel_ids: Sequence[str],
    *,
    after_seq: int | None,
    before_seq: int | None,
    first: int | None,
    last: int | None,
) -> dict[str, tuple[list[Message], bool]]:
    """Return the page of each channel, by its id, as `page_messages` does for one."""
    count = first if first is not None else last
    assert count is not None
    direction = "ASC" if first is not None else "DESC"
    rows = await database.fetch(
        f"""
        SELECT {COLUMNS}
        FROM members v
        CROSS JOIN LATERAL (
            SELECT * FROM messages n
            WHERE n.channel_id = ANY ($1) AND n.channel_id = v.channel_id AND n.seq >= v.joined_seq
              AND n.seq > $3 AND n.seq < $4
            ORDER BY n.seq {direction} LIMIT $5
        ) m
        WHERE v.channel_id = ANY ($1) AND v.user_id = $2 AND v.left_seq IS NULL
        ORDER BY m.channel_id, m.seq {direction}
        """,
        list(channel_ids),
        viewer_id,
        after_seq if after_seq is not None else 0,
        before_seq if before_seq is not None else 2**31 - 1,
        count + 1,
    )
    found: dict[str, list[Message]] = {channel_id: [] for channel_id in channel_ids}
    for row in rows:
        found[row["channel_id"]].append(message_of(row))
    pages = {}
    for channel_id, messages in found.items():
        page = messages[:count]
        if first is None:
            page.reverse()
        pages[channel_id] = (page, len(messages) > count)
    return pages


# The messages at given places: $1 channels and $2 seqs (parallel), $3 the channels, each once. A
# probe of the primary key for each, whatever the statistics say; models.log.entries says why in
# this form.
_AT_PLACES = f"""
SELECT {COLUMNS}
FROM unnest($1::uuid[], $2::integer[]) AS p (channel_id, seq)
CROSS JOIN LATERAL (
    SELECT * FROM messages n
    WHERE n.channel_id = ANY ($3) AND n.channel_id = p.channel_id AND n.seq >= p.seq
    ORDER BY n.seq LIMIT 1
) m
"""


async def list_messages_at(database: Database, places: Sequence[Place]) -> dict[Place, Message]:
    """Return the messages at these places.

    It checks no membership: the caller knows who may see them, or hides them.
    """
    rows = await fetch_lanes(
        database, _AT_PLACES + "WHERE m.seq = p.seq", places, parallel, lane_of=channel_of
    )
    return {(row["channel_id"], row["seq"]): message_of(row) for row in rows}


async def list_messages(
    database: Database, viewer_id: str, places: Sequence[Place]
) -> dict[Place, Message]:
    """Return those of the messages at these places that the viewer may see."""
    rows = await fetch_lanes(
        database,
        _AT_PLACES
        + """
        JOIN members v ON v.channel_id = ANY ($3) AND v.channel_id = p.channel_id AND v.user_id = $4
            AND v.left_seq IS NULL AND v.joined_seq <= m.seq
        WHERE m.seq = p.seq
        """,
        places,
        lambda lane: (*parallel(lane), viewer_id),
        lane_of=channel_of,
    )
    return {(row["channel_id"], row["seq"]): message_of(row) for row in rows}


async def find_message(
    database: Database, viewer_id: str, channel_id: str, seq: int
) -> Message | None:
    """Return the message, or None when there is none that the viewer may see."""
    return (await list_messages(database, viewer_id, [(channel_id, seq)])).get((channel_id, seq))


async def get_own_message(database: Database, sender_id: str, channel_id: str, seq: int) -> Message:
    """Return a stored message to its sender, who may have left the channel."""
    row = await database.fetchrow(
        f"""
        SELECT {COLUMNS} FROM messages m
        WHERE m.channel_id = $1 AND m.seq = $2 AND m.sender_id = $3
        """,
        channel_id,
        seq,
        sender_id,
    )
    assert row is not None
    return message_of(row)


async def is_sent(
    database: Database, sender_id: str, channel_id: str, client_message_id: str
) -> bool:
    """Return True if the sender's message with this client's id is stored."""
    sent: bool = await database.fetchval(
        "SELECT EXISTS (SELECT FROM messages WHERE channel_id = $1 AND sender_id = $2 "
        "AND client_message_id = $3)",
        channel_id,
        sender_id,
        client_message_id,
    )
    return sent


async def list_last_messages(
    database: Database, viewer_id: str, channel_ids: Sequence[str]
) -> dict[str, Message]:
    """Return the newest message that the viewer may see, by channel id."""
    rows = await fetch_by_id(
        database,
        f"""
        SELECT {COLUMNS}
        FROM members v
        CROSS JOIN LATERAL (
            SELECT * FROM messages n
            WHERE n.channel_id = ANY ($1) AND n.channel_id = v.channel_id AND n.seq >= v.joined_seq
            ORDER BY n.seq DESC LIMIT 1
        ) m
        WHERE v.channel_id = ANY ($1) AND v.user_id = $2 AND v.left_seq IS NULL
        """,
        channel_ids,
        viewer_id,
    )
    return {row["channel_id"]: message_of(row) for row in rows}
