"""A channel's timeline: which messages a page of arguments asks for."""

from models.channels.channels import Channel
from models.messages.messages import Message
from models.messages.timeline import TimelinePage, page_around, page_timeline
from models.refusals import invalid
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
    """Return the page that the arguments ask for; without a count, one of the default size.

    Raises:
        Refused: INVALID_INPUT for arguments that are out of bounds or do not go together.
    """
    database, limits = context.resources.database, context.resources.limits
    require_count(first, "first", limits)
    require_count(last, "last", limits)
    if first is not None and last is not None:
        raise invalid("Page with first or with last, not with both.", "last")
    if around_seq is not None:
        if after is not None or before is not None or last is not None:
            raise invalid("aroundSeq goes with first only.", "aroundSeq")
        if around_seq < 0:
            raise invalid("A seq is not negative.", "aroundSeq")
        count = first or limits.default_page_size
        return _page(await page_around(database, channel, around_seq, count))
    after_seq = parse_message_cursor(after, "after")
    before_seq = parse_message_cursor(before, "before")
    if first is None and last is None:
        if after is not None:
            first = limits.default_page_size
        else:
            last = limits.default_page_size
    return _page(
        await page_timeline(
            database, channel, after_seq=after_seq, before_seq=before_seq, first=first, last=last
        )
    )


def _page(page: TimelinePage) -> Page[Message]:
    cursors = [message_cursor(message.seq) for message in page.messages]
    return make_page(
        page.messages, cursors, more_after=page.more_after, more_before=page.more_before
    )
