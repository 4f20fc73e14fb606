"""Lanes: one statement over rows of many keys on one PostgreSQL, one for each key on Citus.

Citus keeps the rows of one key in one place, and runs a statement there that names one key. It
refuses most joins over several keys, and locks over them.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

import asyncpg

from models.database import Database

Item = TypeVar("Item")

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
    lanes: dict[str, list[Item]] = {}
    for item in items:
        lanes.setdefault(lane_of(item), []).append(item)
    return [lanes[key] for key in sorted(lanes)]


async def fetch_lanes(
    database: Database,
    query: str,
    items: Sequence[Item],
    args_of: Callable[[list[Item]], Sequence[object]],
    *,
    lane_of: Callable[[Item], str],
) -> list[asyncpg.Record]:
    """Fetch the rows of all items, with the arguments that `args_of` makes of the items of a
    statement. Rows of several lanes are in no order.

    Raises:
        Refused: UNAVAILABLE.
    """
    lanes = split_lanes(database, items, lane_of)
    if len(lanes) <= 1:
        return [row for lane in lanes for row in await database.fetch(query, *args_of(lane))]
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
