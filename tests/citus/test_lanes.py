"""Statements over rows of many keys, where the rows are in many places."""

from models.ids import new_id
from models.postgresql.database import Database
from models.postgresql.lanes import fetch_by_id, split_lanes
from models.postgresql.shards import shard_of
from tests.citus.cluster import SHARDS

KEYS = [new_id() for _ in range(60)]
INSERT = "INSERT INTO channels (id, kind, created_at) VALUES ($1, 1, now())"
# Citus refuses it for keys of several shards.
LATERAL = """
SELECT c.id FROM unnest($1::uuid[]) AS x (id)
CROSS JOIN LATERAL (
    SELECT n.id FROM channels n WHERE n.id = ANY ($1) AND n.id = x.id LIMIT 1
) c
"""


async def test_a_key_is_in_the_shard_that_is_computed(database: Database) -> None:
    assert database.shards == SHARDS
    rows = await database.fetch(
        "SELECT s.shardid FROM pg_dist_shard s WHERE s.logicalrelid = 'channels'::regclass "
        "ORDER BY s.shardminvalue::bigint"
    )
    shards = [row["shardid"] for row in rows]

    for key in KEYS:
        found = await database.fetchval(
            "SELECT get_shard_id_for_distribution_column('channels', $1::uuid)", key
        )
        assert found == shards[shard_of(key, SHARDS)]


async def test_all_are_found_by_a_statement_for_each_shard(database: Database) -> None:
    async with database.connection() as connection:
        await connection.executemany(INSERT, [(key,) for key in KEYS])

    rows = await fetch_by_id(database, LATERAL, KEYS)

    assert sorted(row["id"] for row in rows) == sorted(KEYS)
    assert database.shards == SHARDS


async def test_all_are_found_where_shards_were_split_meanwhile(
    database: Database, database_url: str
) -> None:
    async with database.connection() as connection:
        await connection.executemany(INSERT, [(key,) for key in KEYS])
    stale = await Database.open(database_url, connections=4)
    stale.shards = 1

    rows = await fetch_by_id(stale, LATERAL, KEYS)
    await stale.close()

    assert sorted(row["id"] for row in rows) == sorted(KEYS)
    assert stale.shards == 0


async def test_rows_are_locked_key_by_key_in_order(database: Database) -> None:
    lanes = split_lanes(database, KEYS[::-1], lambda key: key)

    assert lanes == [[key] for key in sorted(KEYS)]
