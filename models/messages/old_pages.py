"""Pages of old messages, read from a replica where its log of the channel is as long as the
primary's.

All that changes a message takes a seq of its log: an edit, a deletion, a reaction. So a replica
that has the channel's newest seq shows each message as the primary did when the viewer's membership
and that seq were read there, and nobody sees less than what they, or others, have done before.
"""

from datetime import UTC, datetime, timedelta

import asyncpg

from models.channels.channels import Channel
from models.messages.messages import COLUMNS, Message, message_of
from models.postgresql.database import Reads

# What is younger is read by many at once, and is where a replica may be behind.
OLD = timedelta(minutes=1)


async def page_old_messages(
    replica: Reads,
    channel: Channel,
    *,
    after_seq: int | None,
    before_seq: int | None,
    first: int | None,
    last: int | None,
) -> tuple[list[Message], bool] | None:
    """Return what `page_messages` does; None where it must be asked of the primary, since messages
    of the page are not old, or the replica is behind, or does not answer.

    The channel is as the primary has it: who reads, from which seq on, and how long its log is.
    """
    youngest = datetime.now(UTC) - OLD
    if before_seq is None and (channel.last_at is None or channel.last_at > youngest):
        return None
    count = first if first is not None else last
    assert count is not None
    rows = await replica.fetch(
        f"""
        SELECT c.last_seq AS replica_seq, p.*
        FROM channels c
        LEFT JOIN LATERAL (
            SELECT {COLUMNS} FROM messages m
            WHERE m.channel_id = $1 AND m.seq > $3 AND m.seq < $4 AND m.seq >= $2
            ORDER BY m.seq {"ASC" if first is not None else "DESC"} LIMIT $5
        ) p ON true
        WHERE c.id = $1
        """,
        channel.id,
        channel.joined_seq,
        after_seq if after_seq is not None else 0,
        before_seq if before_seq is not None else 2**31 - 1,
        count + 1,
    )
    if not rows or rows[0]["replica_seq"] < channel.last_seq:
        return None
    messages = _messages_of(rows)
    if any(message.sent_at > youngest for message in messages):
        return None
    page = messages[:count]
    if first is None:
        page.reverse()
    return page, len(messages) > count


def _messages_of(rows: list[asyncpg.Record]) -> list[Message]:
    """Return the messages in the order of the rows. A page without any is one row without one."""
    return [message_of(row) for row in rows if row["seq"] is not None]
