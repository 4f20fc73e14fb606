"""The index of search: whole blocks of a channel's log, and how far each channel is indexed
(docs/decisions/0004).
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from models.channels.refusals import no_such_channel
from models.postgresql.database import Connection, Database
from models.postgresql.lanes import fetch_by_id

BLOCK_ENTRIES = 128
# Of one call; the next call goes on.
BUILT_AT_ONCE = 16
# Built by one search, where the process that wrote the entries did not come to it.
BUILT_BY_SEARCH = 64


class SearchScope(msgspec.Struct):
    """A channel as far as the viewer may see it, and how far it is indexed."""

    channel_id: str
    joined_seq: int
    last_seq: int
    last_at: datetime
    built_seq: int


async def list_scopes(
    database: Database, viewer_id: str, channel_id: str | None
) -> list[SearchScope]:
    """Return the viewer's channels in which anybody has said anything, the newest first; or one.

    Three statements, since a plan that joins for any number of channels takes a quarter of a second
    for a thousand.
    """
    channel_ids = [] if channel_id is None else [channel_id]
    if channel_id is None:
        mine = await database.fetch(
            "SELECT channel_id FROM user_channels WHERE user_id = $1 AND left_seq IS NULL",
            viewer_id,
        )
        channel_ids = [row["channel_id"] for row in mine]
    members = await fetch_by_id(
        database,
        "SELECT channel_id, joined_seq FROM members "
        "WHERE channel_id = ANY ($1) AND user_id = $2 AND left_seq IS NULL",
        channel_ids,
        viewer_id,
    )
    if channel_id is not None and not members:
        raise no_such_channel()
    joined = {row["channel_id"]: row["joined_seq"] for row in members}
    built = await fetch_by_id(
        database,
        "SELECT channel_id, built_seq FROM search_heads WHERE channel_id = ANY ($1)",
        list(joined),
    )
    heads = await fetch_by_id(
        database,
        "SELECT id, last_seq, last_at FROM channels WHERE id = ANY ($1) AND last_at IS NOT NULL",
        list(joined),
    )
    built_seqs = {row["channel_id"]: row["built_seq"] for row in built}
    return [
        SearchScope(
            channel_id=row["id"],
            joined_seq=joined[row["id"]],
            last_seq=row["last_seq"],
            last_at=row["last_at"],
            built_seq=built_seqs.get(row["id"], 0),
        )
        for row in sorted(heads, key=lambda row: row["last_at"], reverse=True)
    ]


async def build_search_blocks(
    database: "Database | Connection", channel_id: str, *, most: int = BUILT_AT_ONCE
) -> int:
    """Index whole blocks that are not indexed yet, and return how many it was. It may be repeated,
    by any process.
    """
    built: int = await database.fetchval(
        "SELECT build_search_blocks_v2($1, $2)", channel_id, min(most, BUILT_AT_ONCE)
    )
    return built


async def build_missing_blocks(database: Database, scopes: Sequence[SearchScope]) -> None:
    """Index the blocks that a process left behind when it died. As a rule, the writer of a block's
    last entry has it indexed (workers/dispatch/indexing.py).
    """
    left = BUILT_BY_SEARCH
    for scope in scopes:
        while left > 0 and scope.last_seq - scope.built_seq >= 2 * BLOCK_ENTRIES:
            built = await build_search_blocks(database, scope.channel_id, most=left)
            scope.built_seq += built * BLOCK_ENTRIES
            left -= max(built, 1)
            if not built:
                break
