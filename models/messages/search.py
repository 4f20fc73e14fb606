"""Search: messages by the words that they hold, in the viewer's channels, newest first.

A channel's log is indexed in blocks of 128 entries (models/messages/search_index.py,
docs/decisions/0004); what follows the last whole block is looked through. A block only says where
to look: what is found is compared with the messages themselves, and read for the viewer by the
statement that checks their membership. Work is bounded however common a word is, because blocks are
opened newest first and only while they may hold something newer than what was found; and however
rare, by the deadline.

The order is (time, channel, seq), each descending. Times are of several clocks, so that in a
channel they may be in another order than the seqs: a block knows the times between which all of its
messages are.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec

from models.limits.limits import Limits
from models.messages.messages import Message, MessageKind
from models.messages.reading import list_messages
from models.messages.search_index import (
    BLOCK_ENTRIES,
    SearchScope,
    build_missing_blocks,
    list_scopes,
)
from models.postgresql.database import Database
from models.postgresql.lanes import fetch_lanes
from models.refusals import invalid, unavailable
from models.text import require_text

# Channels looked at together, the first time and at most: common words are found in the first.
CHANNELS_AT_FIRST, CHANNELS_AT_ONCE = 8, 64
# Blocks of one channel opened together.
BLOCKS_AT_FIRST, BLOCKS_AT_ONCE = 2, 16
# Of a query's words: blocks are chosen by the longest, messages by all.
WORDS_OF_BLOCKS = 10


class Hit(msgspec.Struct, frozen=True, order=True):
    """A found message's place; the greatest comes first."""

    sent_at: datetime
    channel_id: str
    seq: int


class _Range(msgspec.Struct, frozen=True):
    channel_id: str
    after_seq: int
    up_to_seq: int


# $1 channels, $2 and $3 the seqs after and up to which (parallel), $4 the words, $5 the longest of
# them, $6 to $8 the hit after which the page begins, $9 at most. Whether the letters are there at
# all costs a tenth of taking the text for words; texts that NFKC changes are taken at once.
_HITS = f"""
SELECT f.sent_at, f.channel_id, f.seq
FROM unnest($1::uuid[], $2::integer[], $3::integer[]) AS r (channel_id, after_seq, up_to_seq)
CROSS JOIN LATERAL (
    SELECT m.sent_at, m.channel_id, m.seq FROM messages m
    WHERE m.channel_id = ANY ($1) AND m.channel_id = r.channel_id
      AND m.seq > r.after_seq AND m.seq <= r.up_to_seq
      AND m.kind <> {MessageKind.SYSTEM:d} AND m.deleted_at IS NULL
      AND ($6::timestamptz IS NULL
           OR (m.sent_at, m.channel_id, m.seq) < ($6, $7::uuid, $8::integer))
      AND (
        strpos(lower(m.text), $5) > 0
        OR octet_length(m.text) > char_length(m.text) AND m.text IS NOT NFKC NORMALIZED
      )
      AND words_of(m.text) @@ $4::tsquery
    ORDER BY m.sent_at DESC, m.seq DESC LIMIT $9
) f
ORDER BY f.sent_at DESC, f.channel_id DESC, f.seq DESC LIMIT $9
"""

# $1 channels, $2 the blocks before which and $3 from which to look (parallel), $4 the words, each
# in one message; $5 nothing of a block is newer than what was found, $6 or older than the page; $7
# at most of each channel.
_BLOCKS = """
SELECT b.channel_id, b.block
FROM unnest($1::uuid[], $2::integer[], $3::integer[]) AS s (channel_id, before, first)
CROSS JOIN LATERAL (
    SELECT t.channel_id, t.block FROM search_blocks t
    WHERE t.channel_id = ANY ($1) AND t.channel_id = s.channel_id
      AND t.block < s.before AND t.block >= s.first
      AND ($5::timestamptz IS NULL OR t.latest_at >= $5)
      AND ($6::timestamptz IS NULL OR t.earliest_at <= $6)
      AND (t.words IS NULL OR t.words @@ $4::tsquery)
    ORDER BY t.block DESC LIMIT $7
) b
"""


async def search_messages(
    database: Database,
    viewer_id: str,
    query: str,
    *,
    channel_id: str | None,
    first: int,
    after: Hit | None,
    limits: Limits,
) -> tuple[list[tuple[Hit, Message]], bool]:
    """Return a page of messages that the viewer may see and that hold, for each word of the query,
    a word that begins with it; and whether more follow. A query without a letter or digit finds
    nothing.

    Raises:
        Refused: INVALID_INPUT; NOT_FOUND for a channel that the viewer is not in; UNAVAILABLE past
        the deadline.
    """
    _require_query(query, limits)
    try:
        async with asyncio.timeout(limits.search_deadline_s):
            hits = await _find_hits(database, viewer_id, query, channel_id, first + 1, after)
            found = await list_messages(
                database, viewer_id, [(hit.channel_id, hit.seq) for hit in hits[:first]]
            )
    except TimeoutError as error:
        raise unavailable("The search took too long; try again, or in one channel.") from error
    page = []
    for hit in hits[:first]:
        message = found.get((hit.channel_id, hit.seq))
        if message is not None and message.deleted_at is None:
            page.append((hit, message))
    return page, len(hits) > first


def _require_query(query: str, limits: Limits) -> None:
    require_text(query.strip(), "query", limits.search_length, allow_newlines=True, min_length=1)
    if len(query.split()) > limits.search_words:
        raise invalid(f"A search has at most {limits.search_words} words.", "query")


async def _find_hits(
    database: Database,
    viewer_id: str,
    query: str,
    channel_id: str | None,
    most: int,
    after: Hit | None,
) -> list[Hit]:
    scopes = await list_scopes(database, viewer_id, channel_id)
    words = await database.fetchval("SELECT tsvector_to_array(words_of($1))", query)
    if not words or not scopes:
        return []
    await build_missing_blocks(database, scopes)
    search = _Search(database, sorted(words, key=len, reverse=True), most, after)
    at, size = 0, CHANNELS_AT_FIRST
    while at < len(scopes) and not search.surpasses(scopes[at].last_at):
        await search.look_into(scopes[at : at + size])
        at, size = at + size, min(2 * size, CHANNELS_AT_ONCE)
    return search.hits


class _Search:
    """One page in the making: the best hits so far, the first one first."""

    def __init__(
        self, database: Database, words: Sequence[str], most: int, after: Hit | None
    ) -> None:
        self._database = database
        self._longest = words[0]
        self._all_words = " & ".join(map(_prefix, words))
        self._block_words = " <0> ".join(map(_prefix, words[:WORDS_OF_BLOCKS]))
        self._most = most
        self._after = after
        self.hits: list[Hit] = []

    @property
    def _floor(self) -> datetime | None:
        """Return the time of the page's last hit once the page is full: older hits do not fit."""
        return self.hits[-1].sent_at if len(self.hits) == self._most else None

    def surpasses(self, at: datetime) -> bool:
        return self._floor is not None and self._floor > at

    async def look_into(self, scopes: Sequence[SearchScope]) -> None:
        """Search what is not in blocks, then blocks from the newest on."""
        await self._add_hits(
            [_Range(s.channel_id, max(s.built_seq, s.joined_seq - 1), s.last_seq) for s in scopes]
        )
        joined = {s.channel_id: s.joined_seq for s in scopes}
        before = {s.channel_id: s.built_seq // BLOCK_ENTRIES for s in scopes if s.built_seq}
        size = BLOCKS_AT_FIRST
        while before:
            blocks = await self._list_blocks(before, joined, size)
            await self._add_hits(
                [
                    _Range(
                        channel_id,
                        max(block * BLOCK_ENTRIES, joined[channel_id] - 1),
                        (block + 1) * BLOCK_ENTRIES,
                    )
                    for channel_id, of_channel in blocks.items()
                    for block in of_channel
                ]
            )
            before = {
                channel_id: min(of_channel)
                for channel_id, of_channel in blocks.items()
                if len(of_channel) == size
            }
            size = min(2 * size, BLOCKS_AT_ONCE)

    async def _list_blocks(
        self, before: dict[str, int], joined: dict[str, int], size: int
    ) -> dict[str, list[int]]:
        """Return, by channel id, the newest blocks before the given ones that may hold a hit of the
        page.
        """
        rows = await fetch_lanes(
            self._database,
            _BLOCKS,
            list(before),
            lambda lane: (
                lane,
                [before[channel_id] for channel_id in lane],
                [(joined[channel_id] - 1) // BLOCK_ENTRIES for channel_id in lane],
                self._block_words,
                self._floor,
                self._after.sent_at if self._after else None,
                size,
            ),
            lane_of=lambda channel_id: channel_id,
        )
        blocks: dict[str, list[int]] = {}
        for row in rows:
            blocks.setdefault(row["channel_id"], []).append(row["block"])
        return blocks

    async def _add_hits(self, ranges: Sequence[_Range]) -> None:
        after = self._after
        rows = await fetch_lanes(
            self._database,
            _HITS,
            ranges,
            lambda lane: (
                [r.channel_id for r in lane],
                [r.after_seq for r in lane],
                [r.up_to_seq for r in lane],
                self._all_words,
                self._longest,
                after.sent_at if after else None,
                after.channel_id if after else None,
                after.seq if after else None,
                self._most,
            ),
            lane_of=lambda r: r.channel_id,
        )
        hits = self.hits + [Hit(**row) for row in rows]
        self.hits = sorted(hits, reverse=True)[: self._most]


def _prefix(word: str) -> str:
    """Return a term of a tsquery that finds the words beginning with this one."""
    escaped = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}':*"
