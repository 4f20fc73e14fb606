"""Blocking: who wants nothing from whom.

A block is two rows of users (`blocks`, `blocked_by`) and a mark on the blocker's member row of the
chat of the two. All are written under the chat's channel row, as a send is: a message is stored
before the block or refused after it, never in between.
"""

from datetime import datetime

import msgspec

from models import ids
from models.channels.chats import lock_chat
from models.limits.limits import Limits
from models.postgresql.database import Connection, Database
from models.refusals import RefusalCode, Refused, invalid, not_found
from models.users.users import User, find_user, list_users


async def set_blocked(
    database: Database,
    user_id: str,
    other_id: str,
    blocked: bool,
    *,
    limits: Limits,
    now: datetime,
) -> tuple[User, bool]:
    """Block or unblock the other user. Return them, and whether this call changed anything.

    Raises:
        Refused: NOT_FOUND; INVALID_INPUT for oneself, and for one more than may be blocked.
    """
    if other_id == user_id:
        raise invalid("One cannot block oneself.", "userId")
    other = await find_user(database, other_id)
    if other is None:
        raise not_found("There is no such user.", "userId")
    chat_id = ids.chat_id(user_id, other_id)
    async with database.transaction_in_turn(chat_id) as connection:
        channel_id = await lock_chat(connection, user_id, other_id, now=now, make=blocked)
        if channel_id is None:
            return other, False
        marked = await connection.fetchval(
            "UPDATE members SET blocks = $3 "
            "WHERE channel_id = $1 AND user_id = $2 AND blocks <> $3 RETURNING 1",
            channel_id,
            user_id,
            blocked,
        )
        if not marked:
            return other, False
        if blocked:
            await _add(connection, user_id, other_id, limits, now)
        else:
            await _remove(connection, user_id, other_id)
    return other, True


async def _add(
    connection: Connection, user_id: str, other_id: str, limits: Limits, now: datetime
) -> None:
    count = await connection.fetchval("SELECT count(*) FROM blocks WHERE user_id = $1", user_id)
    if count >= limits.blocked_users:
        raise Refused(
            RefusalCode.INVALID_INPUT,
            f"At most {limits.blocked_users} people can be blocked.",
            field="userId",
        )
    await connection.execute(
        "INSERT INTO blocks (user_id, blocked_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        user_id,
        other_id,
        now,
    )
    await connection.execute(
        "INSERT INTO blocked_by (user_id, blocker_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        other_id,
        user_id,
    )


async def _remove(connection: Connection, user_id: str, other_id: str) -> None:
    await connection.execute(
        "DELETE FROM blocks WHERE user_id = $1 AND blocked_id = $2", user_id, other_id
    )
    await connection.execute(
        "DELETE FROM blocked_by WHERE user_id = $1 AND blocker_id = $2", other_id, user_id
    )


class BlockCursor(msgspec.Struct, frozen=True):
    """A place in a user's list of blocks: when it was, then the id of whom."""

    at: datetime
    blocked_id: str


class BlockedUser(msgspec.Struct, frozen=True):
    place: BlockCursor
    user: User


async def page_blocked_users(
    database: Database, user_id: str, *, first: int, after: BlockCursor | None
) -> tuple[list[BlockedUser], bool]:
    """Return a page of the users whom the user has blocked, the one blocked last first; and whether
    more follow.
    """
    rows = await database.fetch(
        """
        SELECT at, blocked_id FROM blocks
        WHERE user_id = $1 AND ($2::timestamptz IS NULL OR (at, blocked_id) < ($2, $3))
        ORDER BY at DESC, blocked_id DESC LIMIT $4
        """,
        user_id,
        after.at if after else None,
        after.blocked_id if after else user_id,
        first + 1,
    )
    places = [BlockCursor(row["at"], row["blocked_id"]) for row in rows[:first]]
    users = await list_users(database, [place.blocked_id for place in places])
    found = [
        BlockedUser(place, users[place.blocked_id]) for place in places if place.blocked_id in users
    ]
    return found, len(rows) > first
