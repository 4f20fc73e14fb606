"""Typing: who may say that they type in a channel, and who is told. Nothing of it is stored."""

from models.channel_kinds import ChannelKind
from models.channels.refusals import blocked_chat, no_such_channel
from models.postgresql.database import Database


async def list_typing_audience(
    database: Database, user_id: str, channel_id: str
) -> tuple[ChannelKind, list[str]]:
    """Return what a channel is that the user is in, and the ids of its other members.

    Raises:
        Refused: NOT_FOUND when the user is not in it, BLOCKED when one of a chat blocks the other.
    """
    rows = await database.fetch(
        "SELECT v.user_id, v.blocks, c.kind FROM members v JOIN channels c ON c.id = $1 "
        "WHERE v.channel_id = $1 AND v.left_seq IS NULL",
        channel_id,
    )
    members = [row["user_id"] for row in rows]
    if user_id not in members:
        raise no_such_channel()
    if any(row["blocks"] for row in rows):
        raise blocked_chat()
    members.remove(user_id)
    return ChannelKind(rows[0]["kind"]), members
