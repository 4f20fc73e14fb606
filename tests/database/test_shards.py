"""The place of a row on Citus is computed as PostgreSQL hashes its key."""

import asyncpg
import pytest

from models.ids import new_id
from models.postgresql.database import Database
from models.postgresql.shards import count_shards, hash_id, shard_of
from models.refusals import RefusalCode, Refused

LEAST = -(2**31)


async def test_ids_are_hashed_as_postgresql_hashes_them(database: Database) -> None:
    keys = [new_id() for _ in range(300)] + ["0" * 32, "f" * 32]

    rows = await database.fetch("SELECT uuid_hash(x) AS hash FROM unnest($1::uuid[]) x", keys)

    assert [hash_id(key) for key in keys] == [row["hash"] for row in rows]


def test_shards_cut_the_hashes_into_equal_pieces() -> None:
    keys = [new_id() for _ in range(300)]

    for shards in (1, 3, 4, 128):
        size = 2**32 // shards
        for key in keys:
            place = shard_of(key, shards)
            above = 2**31 if place == shards - 1 else LEAST + (place + 1) * size
            assert LEAST + place * size <= hash_id(key) < above


def test_shards_that_are_cut_unequally_are_not_counted() -> None:
    even = [("channels", LEAST), ("channels", 0), ("users", LEAST), ("users", 0)]

    assert count_shards(even) == 2
    assert count_shards([*even, ("users", 2**30)]) == 0
    assert count_shards([("channels", LEAST), ("channels", 5)]) == 0
    assert count_shards([]) == 0


@pytest.mark.parametrize(
    "error",
    [
        "MESSAGE = 'could not find valid entry for shard 102008', ERRCODE = 'XX000'",
        "MESSAGE = 'twice', ERRCODE = '23505', CONSTRAINT = 'pk_messages_102008'",
        "MESSAGE = 'twice', ERRCODE = '23505', CONSTRAINT = 'pk_changes_102009'",
    ],
)
async def test_whoever_meets_a_shard_that_moves_is_told_to_try_again(
    database: Database, error: str
) -> None:
    with pytest.raises(Refused) as refused:
        await database.execute(f"DO $$ BEGIN RAISE EXCEPTION USING {error}; END $$")

    assert refused.value.code is RefusalCode.UNAVAILABLE


async def test_other_errors_of_the_same_kind_are_not_taken_for_that(database: Database) -> None:
    for error, kind in (
        ("MESSAGE = 'broken', ERRCODE = 'XX000'", asyncpg.InternalServerError),
        ("ERRCODE = '23505', CONSTRAINT = 'pk_users'", asyncpg.UniqueViolationError),
    ):
        with pytest.raises(kind):
            await database.execute(f"DO $$ BEGIN RAISE EXCEPTION USING {error}; END $$")
