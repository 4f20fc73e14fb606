"""Shards: which keys have their rows in one place, computed as Citus does.

Only so that fewer statements are needed: a wrong answer costs a statement over several shards, or
one that is refused, never a wrong row.
"""

from collections.abc import Iterable

import asyncpg

# While a shard moves to another server, its place is not known for a moment, and locks of its rows
# are lost, so that two may write the same seq. The keys of the log refuse the second.
_SHARD_MOVES = "could not find valid entry for shard"
_KEYS_OF_THE_LOG = ("pk_messages", "pk_changes")
_LEAST, _HASHES = -(2**31), 2**32

# The groups whose keys are ids (models/postgresql/distribution.py), by their first tables.
LIST_SHARDS = """
SELECT logicalrelid::text AS first_table, shardminvalue::bigint AS least FROM pg_dist_shard
WHERE logicalrelid::text IN ('channels', 'users', 'media') ORDER BY 1, 2
"""


def is_of_a_moving_shard(error: BaseException) -> bool:
    """Return whether trying again helps, since a shard moves to another server meanwhile."""
    if isinstance(error, asyncpg.UniqueViolationError):
        # A shard's constraint has the shard's number behind it.
        return (error.constraint_name or "").startswith(_KEYS_OF_THE_LOG)
    return isinstance(error, asyncpg.InternalServerError) and _SHARD_MOVES in str(error)


def count_shards(rows: Iterable[tuple[str, int]]) -> int:
    """Return into how many equal shards each group is cut; 0 where some are cut otherwise, or where
    nothing is distributed yet. A row is a group and the least hash of one of its shards.
    """
    groups: dict[str, list[int]] = {}
    for group, least in rows:
        groups.setdefault(group, []).append(least)
    cuts = {tuple(cut) for cut in groups.values()}
    if len(cuts) != 1:
        return 0
    (cut,) = cuts
    size = _HASHES // len(cut)
    return len(cut) if list(cut) == [_LEAST + place * size for place in range(len(cut))] else 0


def shard_of(key: str, shards: int) -> int:
    """Return the place of the shard that holds the rows of an id, of so many equal shards."""
    return min((hash_id(key) - _LEAST) // (_HASHES // shards), shards - 1)


def hash_id(key: str) -> int:
    """Return PostgreSQL's hash of a uuid of 32 hex characters: Bob Jenkins' lookup3."""
    data = bytes.fromhex(key)
    first, second, third, fourth = (
        int.from_bytes(data[place : place + 4], "little") for place in (0, 4, 8, 12)
    )
    start = 0x9E3779B9 + len(data) + 3923095
    a, b, c = _mix(start + first, start + second, start + third)
    c = _finish(a + fourth, b, c)
    return c - _HASHES if c >= 2**31 else c


def _rotate(value: int, bits: int) -> int:
    value &= 0xFFFFFFFF
    return value << bits & 0xFFFFFFFF | value >> 32 - bits


def _mix(a: int, b: int, c: int) -> tuple[int, int, int]:
    a = a - c ^ _rotate(c, 4)
    c += b
    b = b - a ^ _rotate(a, 6)
    a += c
    c = c - b ^ _rotate(b, 8)
    b += a
    a = a - c ^ _rotate(c, 16)
    c += b
    b = b - a ^ _rotate(a, 19)
    a += c
    c = c - b ^ _rotate(b, 4)
    b += a
    return a, b, c


def _finish(a: int, b: int, c: int) -> int:
    c = (c ^ b) - _rotate(b, 14)
    a = (a ^ c) - _rotate(c, 11)
    b = (b ^ a) - _rotate(a, 25)
    c = (c ^ b) - _rotate(b, 16)
    a = (a ^ c) - _rotate(c, 4)
    b = (b ^ a) - _rotate(a, 14)
    c = (c ^ b) - _rotate(b, 24)
    return c & 0xFFFFFFFF
