"""Hydration: what belongs to many messages (senders, originals of replies, media) read in bulk."""

from collections.abc import Iterable

from models.media.media import list_media
from models.messages.messages import Message
from models.messages.reading import list_messages_at
from models.postgresql.database import Database
from models.unloaded import UNLOADED
from models.users.users import User, list_users


async def hydrate_senders(
    database: Database, messages: Iterable[Message], known: Iterable[User] = ()
) -> None:
    """Give every message its sender, by one look-up of the users not yet known."""
    users = {user.id: user for user in known}
    lacking = [m for m in messages if m.sender is UNLOADED]
    unknown = {m.sender_id for m in lacking if m.sender_id is not None} - users.keys()
    if unknown:
        users |= await list_users(database, sorted(unknown))
    for message in lacking:
        message.sender = users.get(message.sender_id or "")


async def hydrate_replies(database: Database, messages: Iterable[Message]) -> None:
    """Give every reply the message that it replies to, by one look-up.

    It checks no membership: the caller hides the original from those who may not see it.
    """
    lacking = [m for m in messages if m.reply_to is UNLOADED]
    if not lacking:
        return
    places = [(message.channel_id, message.reply_to_seq or 0) for message in lacking]
    originals = await list_messages_at(database, places)
    for message in lacking:
        message.reply_to = originals.get((message.channel_id, message.reply_to_seq or 0))


async def hydrate_media(database: Database, messages: Iterable[Message]) -> None:
    """Give every message its media as they are now, by one look-up.

    Call it after the message was committed. Before, it may miss that a worker has finished them.
    """
    lacking = [m for m in messages if m.media is UNLOADED]
    if not lacking:
        return
    found = await list_media(database, sorted({each for m in lacking for each in m.media_ids}))
    for message in lacking:
        message.media = [found[each] for each in message.media_ids if each in found]
