"""Muting: until when a member wants no push of a channel."""

from datetime import datetime

from models.channels.refusals import no_such_channel
from models.postgresql.database import Database
from models.refusals import invalid


async def mute_channel(
    database: Database, user_id: str, channel_id: str, until: datetime | None, *, now: datetime
) -> None:
    """Send the user no push of the channel until this time; None unmutes.

    Raises:
        Refused: INVALID_INPUT for a time that has passed; NOT_FOUND when the user is not in the
            channel.
    """
    if until is not None and until <= now:
        raise invalid("This time has passed.", "until")
    muted = await database.fetchval(
        "UPDATE members SET muted_until = $3 "
        "WHERE channel_id = $1 AND user_id = $2 AND left_seq IS NULL RETURNING 1",
        channel_id,
        user_id,
        until,
    )
    if not muted:
        raise no_such_channel()
