"""A channel's timeline: which messages a page of arguments means, and the page hydrated in bulk."""

from models.channels.channels import Channel, Chat
from models.messages.fates import MessageStatus
from models.messages.hydration import hydrate_media, hydrate_senders
from models.messages.messages import Message, page_messages, show_to
from models.refusals import invalid
from models.unloaded import UNLOADED
from schema.context import Context
from schema.paging import Page, make_page, message_cursor, parse_message_cursor, require_count


async def open_timeline(
    context: Context,
    channel: Channel,
    *,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
    around_seq: int | None,
) -> Page[Message]:
    """The page, as the contract says.

    Raises:
        Refused: INVALID_INPUT for arguments that are out of bounds or do not go together.
    """
    limits = context.resources.limits
    require_count(first, "first", limits)
    require_count(last, "last", limits)
    if first is not None and last is not None:
        raise invalid("Page with first or with last, not with both.", "last")
    if around_seq is not None:
        if after is not None or before is not None or last is not None:
            raise invalid("aroundSeq goes with first only.", "aroundSeq")
        if around_seq < 0:
            raise invalid("A seq is not negative.", "aroundSeq")
        return await _around(context, channel, around_seq, first or limits.default_page_size)
    after_seq, before_seq = (
        parse_message_cursor(after, "after"),
        parse_message_cursor(before, "before"),
    )
    if first is None and last is None:
        if after is not None:
            first = limits.default_page_size
        else:
            last = limits.default_page_size
    found, more = await page_messages(
        context.resources.database,
        context.require_viewer().user.id,
        channel.id,
        after_seq=after_seq,
        before_seq=before_seq,
        first=first,
        last=last,
    )
    await _hydrate(context, channel, found)
    if first is not None:
        return _page(found, more_after=more or before is not None, more_before=after is not None)
    return _page(found, more_after=before is not None, more_before=more or after is not None)


async def _around(context: Context, channel: Channel, seq: int, count: int) -> Page[Message]:
    """Half of the page up to the place, the rest after it."""
    database, viewer_id = context.resources.database, context.require_viewer().user.id
    older, more_before = await page_messages(
        database,
        viewer_id,
        channel.id,
        after_seq=None,
        before_seq=min(seq, 2**31 - 2) + 1,
        first=None,
        last=(count + 1) // 2,
    )
    newer: list[Message] = []
    more_after = bool(older) and older[-1].seq < channel.last_seq
    if count > len(older):
        newer, more_after = await page_messages(
            database,
            viewer_id,
            channel.id,
            after_seq=seq,
            before_seq=None,
            first=count - (count + 1) // 2 or 1,
            last=None,
        )
    found = [*older, *newer][:count]
    await _hydrate(context, channel, found)
    return _page(found, more_after=more_after, more_before=more_before)


def _page(found: list[Message], *, more_after: bool, more_before: bool) -> Page[Message]:
    return make_page(
        found,
        [message_cursor(m.seq) for m in found],
        more_after=more_after,
        more_before=more_before,
    )


async def _hydrate(context: Context, channel: Channel, found: list[Message]) -> None:
    """Senders by one look-up, files by another; the viewer's own messages get their status from the
    positions in the channel's row.
    """
    viewer = context.require_viewer().user
    await hydrate_senders(context.resources.database, found)
    await hydrate_media(context.resources.database, found)
    for message in found:
        show_to(message, viewer.id)
        if message.status is UNLOADED and isinstance(channel, Chat):
            show_fate(message, channel)


def show_fate(message: Message, chat: Chat) -> None:
    """How one's own message fared in a chat, as far as the other's positions say; when it was
    received and read is left to be read from the receipts. In a chat with oneself nobody is there
    to receive it.
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
