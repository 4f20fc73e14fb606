"""Rows that somebody else's transaction holds, as that of a process that has stopped."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

# $1 is an id: of a channel, media, a device or a user. An invite has none of its own.
# One at a time: Citus locks no rows of several keys at once.
_ROWS = (
    "SELECT FROM channels WHERE id = $1 FOR UPDATE",
    "SELECT FROM members WHERE channel_id = $1 ORDER BY channel_id, user_id FOR UPDATE",
    "SELECT FROM groups WHERE channel_id = $1 FOR UPDATE",
    "SELECT FROM invites WHERE channel_id = $1 FOR UPDATE",
    "SELECT FROM messages WHERE channel_id = $1 FOR UPDATE",
    "SELECT FROM media WHERE id = $1 FOR UPDATE",
    "SELECT FROM users WHERE id = $1 FOR UPDATE",
)


@asynccontextmanager
async def held(database_url: str, global_ids: Sequence[str]) -> AsyncIterator[None]:
    """Hold all rows of these channels, media, devices and users until the block ends."""
    inner_ids = sorted(global_id[4:] for global_id in global_ids)
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            for statement in _ROWS:
                for inner_id in inner_ids:
                    await connection.execute(statement, inner_id)
            for inner_id in inner_ids:
                owner = await connection.fetchval(
                    "SELECT user_id FROM devices WHERE id = $1", inner_id
                )
                await connection.execute(
                    "SELECT FROM devices WHERE user_id = $1 AND id = $2 FOR UPDATE", owner, inner_id
                )
            yield
    finally:
        await connection.close()
