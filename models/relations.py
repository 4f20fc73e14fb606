"""How two people stand to each other: contacts (they have sent each other a message), and blocks.
"""

from collections.abc import Collection

from models import ids
from models.database import Connection


async def list_contacts(
    connection: Connection, user_id: str, other_ids: Collection[str]
) -> set[str]:
    """Those of the others who, like the user, have sent a message to the chat of the two."""
    by_chat = {ids.chat_id(user_id, other): other for other in other_ids if other != user_id}
    rows = await connection.fetch(
        """
        SELECT b.channel_id FROM members b
        WHERE b.channel_id = ANY ($1) AND b.has_sent
        GROUP BY b.channel_id HAVING count(*) = 2
        """,
        list(by_chat),
    )
    return {by_chat[row[0]] for row in rows}


async def list_blockers(
    connection: Connection, user_id: str, other_ids: Collection[str]
) -> set[str]:
    """Those of the others who have blocked the user."""
    rows = await connection.fetch(
        "SELECT blocker_id FROM blocked_by WHERE user_id = $1 AND blocker_id = ANY ($2)",
        user_id,
        list(other_ids),
    )
    return {row[0] for row in rows}


async def list_blocked(
    connection: Connection, user_id: str, other_ids: Collection[str]
) -> set[str]:
    """Those of the others whom the user has blocked."""
    rows = await connection.fetch(
        "SELECT blocked_id FROM blocks WHERE user_id = $1 AND blocked_id = ANY ($2)",
        user_id,
        list(other_ids),
    )
    return {row[0] for row in rows}
