"""A channel's timeline: which messages a page of arguments asks for."""

from datetime import datetime

from models import ids
from models.channels.channels import Channel
from models.limits.limits import Limits
from models.messages.messages import Message
from models.messages.reading import find_seq_at
from models.messages.timeline import Around, AroundTime, Extent, TimelinePage, page_timelines
from models.refusals import invalid
from schema.context import Context
from schema.paging import Page, make_page, message_cursor, parse_message_cursor, require_count


async def open_timeline(
    context: Context, channel: Channel, part: Extent | Around | AroundTime, *, in_list: bool
) -> Page[Message]:
    """Return that part of the channel's timeline. Of channels that are in a list all timelines are
    read at once.
    """
    if isinstance(part, AroundTime):
        seq = await find_seq_at(context.resources.database, channel.id, part.at)
        part = Around(seq, part.count)
    if in_list:
        page = await context.loaders.timelines.load((channel, part))
    else:
        page = (await page_timelines(context.resources.database, [channel], part))[channel.id]
    return _page(page)


def require_part(
    limits: Limits,
    channel: Channel,
    *,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
    around_seq: int | None,
    around_id: str | None,
    around_time: datetime | None,
) -> Extent | Around | AroundTime:
    """Return the part that the arguments ask for; without a count, one of the default size.

    Raises:
        Refused: INVALID_INPUT for arguments that are out of bounds or do not go together.
    """
    require_count(first, "first", limits)
    require_count(last, "last", limits)
    if first is not None and last is not None:
        raise invalid("Page with first or with last, not with both.", "last")
    places = {"aroundSeq": around_seq, "aroundId": around_id, "aroundTime": around_time}
    given = [name for name, place in places.items() if place is not None]
    if given:
        if len(given) > 1 or (after, before, last) != (None, None, None):
            raise invalid(f"{given[-1]} goes with first only.", given[-1])
        count = first or limits.default_page_size
        if around_time is not None:
            return AroundTime(around_time, count)
        return Around(_require_seq(channel, around_seq, around_id), count)
    after_seq = parse_message_cursor(after, "after")
    before_seq = parse_message_cursor(before, "before")
    if first is None and last is None:
        if after is not None:
            first = limits.default_page_size
        else:
            last = limits.default_page_size
    return Extent(after_seq, before_seq, first, last)


def _require_seq(channel: Channel, seq: int | None, message_id: str | None) -> int:
    if seq is not None:
        if seq < 0:
            raise invalid("A seq is not negative.", "aroundSeq")
        return seq
    place = ids.parse_message(message_id or "")
    if place is None or place[0] != channel.id:
        raise invalid("This is not the id of a message of this channel.", "aroundId")
    return place[1]


def _page(page: TimelinePage) -> Page[Message]:
    return make_page(
        page.messages,
        [message.seq for message in page.messages],
        message_cursor,
        more_after=page.more_after,
        more_before=page.more_before,
    )
