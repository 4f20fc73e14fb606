"""A channel's timeline: pages of its messages as the viewer sees them, hydrated in bulk."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from models.channels.channels import Channel, Chat
from models.messages.fates import MessageStatus
from models.messages.hydration import hydrate_media, hydrate_senders
from models.messages.messages import Message, leave_fate_unread
from models.messages.old_pages import page_old_messages
from models.messages.reading import page_messages, page_messages_of_channels
from models.postgresql.database import Database
from models.unloaded import UNLOADED

# The greatest seq that a column can hold, less the one that is added to it.
_GREATEST_SEQ = 2**31 - 2


class TimelinePage(msgspec.Struct, frozen=True):
    """Messages, oldest first, and whether there are more on either side."""

    messages: list[Message]
    more_before: bool
    more_after: bool


class Extent(msgspec.Struct, frozen=True):
    """Which part of a timeline: the `first` oldest or the `last` newest messages between two seqs
    (both exclusive). Exactly one of the two counts is given.
    """

    after_seq: int | None = None
    before_seq: int | None = None
    first: int | None = None
    last: int | None = None


class Around(msgspec.Struct, frozen=True):
    """Which part of a timeline: `count` messages around a seq, half of them up to it."""

    seq: int
    count: int


class AroundTime(msgspec.Struct, frozen=True):
    """Which part of a timeline: `count` messages around the newest that was there at a time."""

    at: datetime
    count: int


async def page_timelines(
    database: Database, channels: Sequence[Channel], part: Extent | Around
) -> dict[str, TimelinePage]:
    """Return that part of the timeline of each channel, by its id. All channels are of one viewer.
    The number of statements does not depend on how many there are.
    """
    if isinstance(part, Around):
        pages = await _page_around(database, channels, part)
    else:
        pages = {
            channel_id: TimelinePage(
                found,
                part.after_seq is not None if part.first is not None else more,
                more if part.first is not None else part.before_seq is not None,
            )
            for channel_id, (found, more) in (await _page(database, channels, part)).items()
        }
    await _hydrate(database, channels, pages)
    return pages


async def _page(
    database: Database, channels: Sequence[Channel], extent: Extent
) -> dict[str, tuple[list[Message], bool]]:
    viewer_id = channels[0].viewer_id
    arguments = msgspec.structs.asdict(extent)
    if len(channels) == 1:
        channel_id, page = channels[0].id, None
        if database.replica is not None:
            page = await page_old_messages(database.replica, channels[0], **arguments)
        if page is None:
            page = await page_messages(database, viewer_id, channel_id, **arguments)
        return {channel_id: page}
    return await page_messages_of_channels(
        database, viewer_id, [channel.id for channel in channels], **arguments
    )


async def _page_around(
    database: Database, channels: Sequence[Channel], around: Around
) -> dict[str, TimelinePage]:
    older_count = (around.count + 1) // 2
    newer_count = around.count - older_count or 1
    older = await _page(
        database, channels, Extent(before_seq=min(around.seq, _GREATEST_SEQ) + 1, last=older_count)
    )
    newer = await _page(database, channels, Extent(after_seq=around.seq, first=newer_count))
    pages = {}
    for channel in channels:
        (before, more_before), (after, more_after) = older[channel.id], newer[channel.id]
        kept = after[: around.count - len(before)]
        pages[channel.id] = TimelinePage(
            [*before, *kept], more_before, more_after or len(kept) < len(after)
        )
    return pages


async def _hydrate(
    database: Database, channels: Sequence[Channel], pages: Mapping[str, TimelinePage]
) -> None:
    """Read senders by one look-up and media by another. In a chat, the viewer's own messages get
    their status from the positions that the channel holds.
    """
    found = [message for page in pages.values() for message in page.messages]
    await hydrate_senders(database, found)
    await hydrate_media(database, found)
    for channel in channels:
        viewer_id = channel.viewer_id
        chat = channel if isinstance(channel, Chat) else None
        for message in pages[channel.id].messages:
            if message.sender_id != viewer_id:
                continue
            if chat is None:
                leave_fate_unread(message)
            else:
                _show_fate(message, chat)


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
    message.delivered_at = UNLOADED if delivered else None
    message.seen_at = UNLOADED if read else None
