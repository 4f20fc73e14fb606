"""Chats: opening the channel of two people, once, however many ask for it at a time.

A chat is either open (both are in it), or only there to be locked: one who blocks somebody whom
they never talked to leaves a channel in which nobody is (`left_seq` 0), which is listed nowhere and
looks as if it did not exist, until one of the two opens it.
"""

from datetime import UTC, datetime

import asyncpg

from models import ids
from models.channel_kinds import ChannelKind
from models.channels.channels import Chat, find_channel
from models.channels.members import MemberRole
from models.postgresql.database import Connection, Database
from models.refusals import not_found, unavailable
from models.users.users import find_user

# `left_seq` of the members of a chat that was never opened: no entry took them out.
NEVER_IN = 0

TRIES = 3


async def open_chat(database: Database, viewer_id: str, peer_id: str) -> tuple[Chat, bool]:
    """Return the chat of the two, made where there is none; and whether this call made it.

    Raises:
        Refused: NOT_FOUND when there is no such user.
    """
    channel_id = ids.chat_id(viewer_id, peer_id)
    chat = await find_channel(database, viewer_id, channel_id)
    if isinstance(chat, Chat):
        return chat, False
    if await find_user(database, peer_id) is None:
        raise not_found("There is no such user.", "userId")
    created = await make_chat(database, viewer_id, peer_id, now=datetime.now(UTC))
    chat = await find_channel(database, viewer_id, channel_id)
    assert isinstance(chat, Chat)
    return chat, created


async def lock_chat(
    connection: Connection, one: str, other: str, *, now: datetime, make: bool = True
) -> str | None:
    """Lock the channel's row of the chat of two users, and return the channel's id. Where there is
    no chat, make one; without `make`, return None.
    """
    channel_id = ids.chat_id(one, other)
    made = make and await connection.fetchval(
        "INSERT INTO channels (id, kind, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING "
        "RETURNING 1",
        channel_id,
        ChannelKind.CHAT,
        now,
    )
    if not made:
        there = await connection.fetchval(
            "SELECT 1 FROM channels WHERE id = $1 FOR UPDATE", channel_id
        )
        return channel_id if there else None
    for user_id in sorted({one, other}):
        await connection.execute(
            "INSERT INTO members (channel_id, user_id, role, joined_at, joined_seq, left_seq) "
            "VALUES ($1, $2, $3, $4, 1, $5)",
            channel_id,
            user_id,
            MemberRole.MEMBER,
            now,
            NEVER_IN,
        )
    return channel_id


async def make_chat(database: Database, one: str, other: str, *, now: datetime) -> bool:
    """Open the chat of two users who exist. Return True if this call opened it."""
    for _ in range(TRIES):
        try:
            return await _open(database, one, other, now)
        except asyncpg.DeadlockDetectedError:
            # Whoever notes when many people were last seen takes their rows in any order.
            continue
    raise unavailable()


async def _open(database: Database, one: str, other: str, now: datetime) -> bool:
    user_ids = sorted({one, other})
    async with database.transaction_in_turn(ids.chat_id(one, other)) as connection:
        channel_id = await lock_chat(connection, one, other, now=now)
        # Held, since the marks of chats follow these rows (models/users/privacy.py).
        hiding = []
        for user_id in user_ids:
            shows = await connection.fetchval(
                "SELECT read_receipts FROM users WHERE id = $1 FOR SHARE", user_id
            )
            if shows is False:
                hiding.append(user_id)
        opened = await connection.fetch(
            """
            UPDATE members b
            SET left_seq = NULL, joined_at = $2, hides_receipts = b.user_id = ANY ($3)
            WHERE b.channel_id = $1 AND b.left_seq = $4
            RETURNING b.user_id
            """,
            channel_id,
            now,
            hiding,
            NEVER_IN,
        )
        if not opened:
            return False
        await connection.execute(
            "UPDATE channels SET created_at = $2 WHERE id = $1", channel_id, now
        )
        for user_id in user_ids:
            await connection.execute(
                "INSERT INTO user_channels (user_id, channel_id) VALUES ($1, $2)",
                user_id,
                channel_id,
            )
    return True
