"""A channel's timeline: pages of its messages as the viewer sees them, hydrated in bulk."""

import msgspec

from models.channels.channels import Channel, Chat
from models.database import Database
from models.messages.fates import MessageStatus
from models.messages.hydration import hydrate_media, hydrate_senders
from models.messages.messages import Message, show_to
from models.messages.reading import page_messages
from models.unloaded import UNLOADED

# The greatest seq that a column can hold, less the one that is added to it.
_GREATEST_SEQ = 2**31 - 2


class TimelinePage(msgspec.Struct, frozen=True):
    """Messages, oldest first, and whether there are more on either side."""

    messages: list[Message]
    more_before: bool
    more_after: bool


async def page_timeline(
    database: Database,
    channel: Channel,
    *,
    after_seq: int | None,
    before_seq: int | None,
    first: int | None,
    last: int | None,
) -> TimelinePage:
    """Return the `first` oldest or the `last` newest messages between two seqs (both exclusive).
    Exactly one of the two counts is given.
    """
    found, more = await page_messages(
        database,
        channel.viewer_id,
        channel.id,
        after_seq=after_seq,
        before_seq=before_seq,
        first=first,
        last=last,
    )
    await _hydrate(database, channel, found)
    if first is not None:
        return TimelinePage(found, after_seq is not None, more or before_seq is not None)
    return TimelinePage(found, more or after_seq is not None, before_seq is not None)


async def page_around(database: Database, channel: Channel, seq: int, count: int) -> TimelinePage:
    """Return `count` messages around a seq: half of them up to it, the rest after it."""
    older, more_before = await page_messages(
        database,
        channel.viewer_id,
        channel.id,
        after_seq=None,
        before_seq=min(seq, _GREATEST_SEQ) + 1,
        first=None,
        last=(count + 1) // 2,
    )
    newer: list[Message] = []
    more_after = bool(older) and older[-1].seq < channel.last_seq
    if count > len(older):
        newer, more_after = await page_messages(
            database,
            channel.viewer_id,
            channel.id,
            after_seq=seq,
            before_seq=None,
            first=count - (count + 1) // 2 or 1,
            last=None,
        )
    found = [*older, *newer][:count]
    await _hydrate(database, channel, found)
    return TimelinePage(found, more_before, more_after)


async def _hydrate(database: Database, channel: Channel, found: list[Message]) -> None:
    """Read senders by one look-up and media by another. In a chat, the viewer's own messages get
    their status from the positions that the channel holds.
    """
    await hydrate_senders(database, found)
    await hydrate_media(database, found)
    for message in found:
        show_to(message, channel.viewer_id)
        if message.status is UNLOADED and isinstance(channel, Chat):
            _show_fate(message, channel)


def _show_fate(message: Message, chat: Chat) -> None:
    """Say how the viewer's message fared in a chat, as far as the peer's positions say it.

    The times are left to be read from the receipts. In a chat with oneself nobody is there to
    receive the message.
    """
    alone = chat.peer_id == chat.viewer_id
    delivered = not alone and chat.peer_delivered_seq >= message.seq
    read = not alone and chat.peer_read_seq >= message.seq
    message.delivered_count, message.read_count = int(delivered), int(read)
    message.status = (
        MessageStatus.READ if read else MessageStatus.DELIVERED if delivered else MessageStatus.SENT
    )
    if not delivered:
        message.delivered_at = None
    if not read:
        message.seen_at = None
