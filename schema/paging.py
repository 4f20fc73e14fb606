"""Paging: cursors that are places, not counts, and what every page says of what lies around it.

A cursor is opaque to clients and only ever names a place in an order, so a forged one can at most
begin a page elsewhere.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import strawberry

from models.channels.blocks import BlockCursor
from models.channels.channels import ChannelCursor
from models.ids import MAX_SEQ
from models.limits.limits import Limits
from models.messages.search import Hit
from models.refusals import Refused, invalid
from schema.sources import describes

Row = TypeVar("Row")
Place = TypeVar("Place")

# The arguments of a list that is paged forwards.
First = Annotated[
    int | None,
    strawberry.argument(description="The size of the page, 1 to 100. 50 by default."),
]
After = Annotated[
    str | None,
    strawberry.argument(
        description=(
            "Return what comes after this cursor. Cursors are valid only for the list that gave "
            "them."
        )
    ),
]
# And backwards, where a list is paged both ways.
Last = Annotated[
    int | None,
    strawberry.argument(description="The size of the page, counted from the end, 1 to 100."),
]
Before = Annotated[
    str | None, strawberry.argument(description="Return what comes before this cursor.")
]


class PageFacts(msgspec.Struct, frozen=True):
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@describes(PageFacts)
@strawberry.type(description="Whether there are more pages, and the cursors to fetch them.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more follows `endCursor`.")
    has_previous_page: bool = strawberry.field(
        description="Whether more comes before `startCursor`."
    )
    start_cursor: str | None = strawberry.field(description="The cursor of the first edge.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last edge.")


class Edge(msgspec.Struct, Generic[Row], frozen=True):
    cursor: str
    node: Row


class Page(msgspec.Struct, Generic[Row], frozen=True):
    """The rows of a page, and the place of each in the list's order.

    Cursors are printed for those who ask: they would be a twentieth of what a page costs.
    """

    nodes: Sequence[Row]
    places: Sequence[Any]
    print_cursor: Callable[[Any], str]
    more_after: bool
    more_before: bool

    @property
    def edges(self) -> list[Edge[Row]]:
        print_cursor = self.print_cursor
        return [
            Edge(print_cursor(place), node)
            for place, node in zip(self.places, self.nodes, strict=True)
        ]

    @property
    def page_info(self) -> PageFacts:
        places = self.places
        return PageFacts(
            self.more_after,
            self.more_before,
            self.print_cursor(places[0]) if places else None,
            self.print_cursor(places[-1]) if places else None,
        )


def make_page(
    nodes: Sequence[Row],
    places: Sequence[Place],
    print_cursor: Callable[[Place], str],
    *,
    more_after: bool,
    more_before: bool,
) -> Page[Row]:
    return Page(nodes, places, print_cursor, more_after, more_before)


def make_next_page(
    nodes: Sequence[Row],
    places: Sequence[Place],
    print_cursor: Callable[[Place], str],
    *,
    after: str | None,
    more: bool,
) -> Page[Row]:
    """Return a page of a list that is paged forwards: what follows the cursor `after`."""
    return Page(nodes, places, print_cursor, more, after is not None)


def require_first(first: int | None, limits: Limits) -> int:
    """Return how many edges to list: as many as were asked for, else the default.

    Raises:
        Refused: INVALID_INPUT, for less than 1 or more than a page holds.
    """
    return require_count(first, "first", limits) or limits.default_page_size


def require_count(value: int | None, field: str, limits: Limits) -> int | None:
    """Return how many edges were asked for, if it was said.

    Raises:
        Refused: INVALID_INPUT, for less than 1 or more than a page holds.
    """
    if value is not None and not 1 <= value <= limits.page_size:
        raise invalid(f"A page has 1 to {limits.page_size} edges.", field)
    return value


class Extent(msgspec.Struct, frozen=True):
    """How many edges a list that is paged both ways is to give, and from which end."""

    count: int
    backwards: bool


def require_extent(first: int | None, last: int | None, limits: Limits) -> Extent:
    """Return the first edges, or the last; without a count, the first of the default size.

    Raises:
        Refused: INVALID_INPUT, for both counts, less than 1, or more than a page holds.
    """
    if first is not None and last is not None:
        raise invalid("Page with first or with last, not with both.", "last")
    count = require_count(first, "first", limits) or require_count(last, "last", limits)
    return Extent(count or limits.default_page_size, last is not None)


def _encode(kind: str, place: str) -> str:
    return base64.urlsafe_b64encode(f"{kind}:{place}".encode()).decode().rstrip("=")


def _decode(kind: str, cursor: str, field: str) -> str:
    try:
        text = base64.b64decode(
            cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        ).decode()
    except (binascii.Error, ValueError):
        raise _forged(field) from None
    if not text.startswith(kind + ":") or _encode(kind, text[len(kind) + 1 :]) != cursor:
        raise _forged(field)
    return text[len(kind) + 1 :]


def _forged(field: str) -> Refused:
    return invalid("This is not a cursor of this list.", field)


def message_cursor(seq: int) -> str:
    return _encode("s", str(seq))


def parse_message_cursor(cursor: str | None, field: str) -> int | None:
    if cursor is None:
        return None
    return _seq(_decode("s", cursor, field), field)


def _seq(text: str, field: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or int(text) > MAX_SEQ:
        raise _forged(field)
    return int(text)


def id_cursor(inner_id: str) -> str:
    return _encode("i", inner_id)


def parse_id_cursor(cursor: str | None, field: str) -> str | None:
    if cursor is None:
        return None
    return _inner_id(_decode("i", cursor, field), field)


def channel_cursor(place: ChannelCursor) -> str:
    return _encode("c", f"{_micros(place.last_at)}.{place.channel_id}")


def parse_channel_cursor(cursor: str | None, field: str) -> ChannelCursor | None:
    return None if cursor is None else ChannelCursor(*_parse_time_and_id("c", cursor, field))


def block_cursor(place: BlockCursor) -> str:
    return _encode("b", f"{_micros(place.at)}.{place.blocked_id}")


def parse_block_cursor(cursor: str | None, field: str) -> BlockCursor | None:
    return None if cursor is None else BlockCursor(*_parse_time_and_id("b", cursor, field))


def _parse_time_and_id(kind: str, cursor: str, field: str) -> tuple[datetime, str]:
    micros, _, inner_id = _decode(kind, cursor, field).partition(".")
    return _instant(micros, field), _inner_id(inner_id, field)


def hit_cursor(hit: Hit) -> str:
    return _encode("f", f"{_micros(hit.sent_at)}.{hit.channel_id}.{hit.seq}")


def parse_hit_cursor(cursor: str | None, field: str) -> Hit | None:
    if cursor is None:
        return None
    micros, _, place = _decode("f", cursor, field).partition(".")
    channel_id, _, seq = place.partition(".")
    return Hit(_instant(micros, field), _inner_id(channel_id, field), _seq(seq, field))


def _micros(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)


def _instant(micros: str, field: str) -> datetime:
    if not (micros.isascii() and micros.isdigit()) or len(micros) > 17:
        raise _forged(field)
    seconds, rest = divmod(int(micros), 1_000_000)
    try:
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
    except (OverflowError, ValueError, OSError):
        raise _forged(field) from None


def _inner_id(text: str, field: str) -> str:
    if len(text) != 32 or not all(c in "0123456789abcdef" for c in text):
        raise _forged(field)
    return text
