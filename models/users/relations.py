"""Relations of two users: contacts (each has sent the other a message) and blocks."""

from collections.abc import Collection, Sequence

from models import ids
from models.postgresql.database import Database
from models.postgresql.lanes import fetch_by_id, fetch_lanes

# Two user ids.
Pair = tuple[str, str]


async def list_contacts(database: Database, user_id: str, other_ids: Collection[str]) -> set[str]:
    """Return which of the others are contacts of the user: each has sent the other a message."""
    pairs = [(user_id, other) for other in other_ids if other != user_id]
    return {other for _, other in await list_contact_pairs(database, pairs)}


async def list_contact_pairs(database: Database, pairs: Sequence[Pair]) -> set[Pair]:
    """Return the pairs in which each has sent the other a message."""
    chats = [ids.chat_id(*pair) for pair in pairs]
    rows = await fetch_by_id(
        database,
        """
        SELECT b.channel_id FROM members b
        WHERE b.channel_id = ANY ($1) AND b.has_sent
        GROUP BY b.channel_id HAVING count(*) = 2
        """,
        list(set(chats)),
    )
    found = {row["channel_id"] for row in rows}
    return {pair for pair, chat in zip(pairs, chats, strict=True) if chat in found}


async def list_blocked_pairs(database: Database, pairs: Sequence[Pair]) -> set[Pair]:
    """Return the pairs in which one has blocked the other, whichever of them it was."""
    both_ways = [*pairs, *((other, one) for one, other in pairs)]
    rows = await fetch_lanes(
        database,
        """
        SELECT b.user_id, b.blocked_id
        FROM unnest($1::uuid[], $2::uuid[]) AS p (user_id, blocked_id)
        JOIN blocks b ON b.user_id = ANY ($1) AND b.user_id = p.user_id
            AND b.blocked_id = p.blocked_id
        """,
        both_ways,
        lambda lane: ([one for one, _ in lane], [other for _, other in lane]),
        lane_of=lambda pair: pair[0],
    )
    found = {(row["user_id"], row["blocked_id"]) for row in rows}
    return {pair for pair in pairs if pair in found or (pair[1], pair[0]) in found}


async def list_blockers(database: Database, user_id: str, other_ids: Collection[str]) -> set[str]:
    """Return which of the others have blocked the user."""
    rows = await database.fetch(
        "SELECT blocker_id FROM blocked_by WHERE user_id = $1 AND blocker_id = ANY ($2)",
        user_id,
        list(other_ids),
    )
    return {row["blocker_id"] for row in rows}


async def list_blocked(database: Database, user_id: str, other_ids: Collection[str]) -> set[str]:
    """Return which of the others the user has blocked."""
    rows = await database.fetch(
        "SELECT blocked_id FROM blocks WHERE user_id = $1 AND blocked_id = ANY ($2)",
        user_id,
        list(other_ids),
    )
    return {row["blocked_id"] for row in rows}
