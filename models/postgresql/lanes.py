"""Lanes: one statement over rows of many keys on one PostgreSQL, one for each shard on Citus.

Citus keeps the rows of one key in one shard, and runs a statement there that names keys of that
shard only. It refuses most joins over several shards, and locks over them.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

import asyncpg

from models.postgresql.database import Database
from models.postgresql.shards import shard_of

Item = TypeVar("Item")
Key = TypeVar("Key", str, int)

# Statements of one call that run at a time, so that one call does not take the whole pool.
TOGETHER = 4


def split_lanes(
    database: Database, items: Sequence[Item], lane_of: Callable[[Item], str]
) -> list[list[Item]]:
    """Return the items of each key together where the database is distributed; else all of them.
    Keys are in order, so that whoever locks one lane after the other cannot cross with another.
    """
    if not items or not database.is_distributed:
        return [list(items)] if items else []
    lanes = _group(items, lane_of)
    return [lanes[key] for key in sorted(lanes)]


def _group(items: Sequence[Item], key_of: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    groups: dict[Key, list[Item]] = {}
    for item in items:
        groups.setdefault(key_of(item), []).append(item)
    return groups


async def fetch_lanes(
    database: Database,
    query: str,
    items: Sequence[Item],
    args_of: Callable[[list[Item]], Sequence[object]],
    *,
    lane_of: Callable[[Item], str],
) -> list[asyncpg.Record]:
    """Fetch the rows of all items, with the arguments that `args_of` makes of the items of a
    statement. Items whose rows are in one shard are in one statement. Rows of several statements
    are in no order.

    Raises:
        Refused: UNAVAILABLE.
    """
    if not items:
        return []
    if not database.is_distributed or not database.shards:
        return await _fetch_together(
            database, query, split_lanes(database, items, lane_of), args_of
        )
    shards = _group(items, lambda item: shard_of(lane_of(item), database.shards))
    try:
        return await _fetch_together(database, query, list(shards.values()), args_of)
    except asyncpg.FeatureNotSupportedError:
        # Shards were split since: several keys are in one place no longer.
        database.shards = 0
        return await _fetch_together(
            database, query, split_lanes(database, items, lane_of), args_of
        )


async def _fetch_together(
    database: Database,
    query: str,
    lanes: Sequence[list[Item]],
    args_of: Callable[[list[Item]], Sequence[object]],
) -> list[asyncpg.Record]:
    if len(lanes) == 1:
        return await database.fetch(query, *args_of(lanes[0]))
    turns = asyncio.Semaphore(TOGETHER)

    async def fetch(lane: list[Item]) -> list[asyncpg.Record]:
        async with turns:
            return await database.fetch(query, *args_of(lane))

    found = await asyncio.gather(*map(fetch, lanes), return_exceptions=True)
    for rows in found:
        if isinstance(rows, BaseException):
            raise rows
    return [row for rows in found if not isinstance(rows, BaseException) for row in rows]


async def fetch_by_id(
    database: Database, query: str, ids: Sequence[str], *args: object
) -> list[asyncpg.Record]:
    """Fetch rows by their keys, which are the query's $1; `args` are the others."""
    return await fetch_lanes(
        database, query, ids, lambda lane: (lane, *args), lane_of=lambda each: each
    )


def channel_of(key: tuple[str, int] | tuple[str, str]) -> str:
    """Return the lane of a place in a log, or of a batch: its channel."""
    return key[0]


def parallel(places: Sequence[tuple[str, int]]) -> tuple[list[str], list[int], list[str]]:
    """Return channels and seqs of places as parallel lists, and the channels, each once."""
    channel_ids = [channel_id for channel_id, _ in places]
    return channel_ids, [seq for _, seq in places], sorted(set(channel_ids))
