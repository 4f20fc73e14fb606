"""Typing: who may say that they type in a channel, and who is told. Nothing of it is stored."""

from models.database import Database
from models.refusals import RefusalCode, Refused, not_found


async def list_typing_audience(database: Database, user_id: str, channel_id: str) -> list[str]:
    """The other members of a channel that the user is in.

    Raises:
        Refused: NOT_FOUND when the user is not in it, BLOCKED when one of a chat blocks the other.
    """
    rows = await database.fetch(
        "SELECT user_id, blocks FROM members WHERE channel_id = $1 AND left_seq IS NULL", channel_id
    )
    members = [row[0] for row in rows]
    if user_id not in members:
        raise not_found("There is no such channel.", "channelId")
    if any(row[1] for row in rows):
        raise Refused(
            RefusalCode.BLOCKED, "One of the two has blocked the other.", field="channelId"
        )
    members.remove(user_id)
    return members
