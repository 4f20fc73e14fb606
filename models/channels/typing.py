"""Typing: who may say that they type in a channel, and who is told. Nothing of it is stored."""

from models.channels.refusals import blocked_chat, no_such_channel
from models.database import Database


async def list_typing_audience(database: Database, user_id: str, channel_id: str) -> list[str]:
    """Return the ids of the other members of a channel that the user is in.

    Raises:
        Refused: NOT_FOUND when the user is not in it, BLOCKED when one of a chat blocks the other.
    """
    rows = await database.fetch(
        "SELECT user_id, blocks FROM members WHERE channel_id = $1 AND left_seq IS NULL", channel_id
    )
    members = [row["user_id"] for row in rows]
    if user_id not in members:
        raise no_such_channel()
    if any(row["blocks"] for row in rows):
        raise blocked_chat()
    members.remove(user_id)
    return members
