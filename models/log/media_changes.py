"""Telling the members of a channel that the media of a message has changed, by one entry of the log
for each state.

`Details.told` in the message's row says which state was told last; it is written in the transaction
that appends the entry, so telling again takes no seq. A message that is committed only later needs
none: it is read with the state that is true by then.
"""

from collections.abc import Callable

import msgspec

from models.log.entries import Batch, Change
from models.log.writing import ChannelLog, lock_log
from models.media.media import MediaState
from models.media.uses import HolderKind
from models.messages.messages import COLUMNS, decode_details, encode_details, message_of
from models.postgresql.database import Database

TOLD = (MediaState.READY, MediaState.FAILED, MediaState.EXPIRED)


async def tell_of_media(
    database: Database, on_commit: Callable[[Batch], None], media_id: str
) -> None:
    """Append to the log of every channel where a message holds the media what its state is now."""
    places = await database.fetch(
        f"""
        SELECT holder_id, user_id, client_message_id FROM media_uses
        WHERE media_id = $1 AND holder_kind = {HolderKind.MESSAGE:d}
        ORDER BY at, holder_id, user_id, client_message_id
        """,
        media_id,
    )
    for place in places:
        async with lock_log(database, place["holder_id"], on_commit) as log:
            if log is not None:
                await _tell(log, media_id, place["user_id"], place["client_message_id"])


async def _tell(log: ChannelLog, media_id: str, sender_id: str, client_message_id: str) -> None:
    row = await log.connection.fetchrow(
        f"""
        SELECT {COLUMNS} FROM messages m
        WHERE m.channel_id = $1 AND m.sender_id = $2 AND m.client_message_id = $3
        """,
        log.channel_id,
        sender_id,
        client_message_id,
    )
    # One that was deleted has no details.
    if row is None or row["details"] is None:
        return
    details = decode_details(row["details"])
    # Read under the lock: of two that tell, the later one sees the later state.
    media = await log.connection.fetchrow(
        "SELECT state, owner_id FROM media WHERE id = $1", media_id
    )
    if media is None or media_id not in details.media:
        return
    state = MediaState(media["state"])
    if state not in TOLD or details.told.get(media_id) is state:
        return
    message = message_of(row)
    told = msgspec.structs.replace(details, told={**details.told, media_id: state})
    await log.connection.execute(
        "UPDATE messages SET details = $3 WHERE channel_id = $1 AND seq = $2",
        log.channel_id,
        message.seq,
        encode_details(told).decode(),
    )
    await log.append_change(Change.MEDIA, message, media["owner_id"])
