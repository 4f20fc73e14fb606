"""Which table is where."""

import asyncio
import subprocess
import sys

from models.postgresql.database import Database
from models.postgresql.distribution import EVERYWHERE, GROUPS, WITH_JOBS
from models.tables import metadata
from parley.migrations import list_differences, migrate
from tests.citus.cluster import SHARDS


def test_every_table_has_its_place() -> None:
    placed = [*EVERYWHERE, *WITH_JOBS, *(table for group in GROUPS for table in group.tables)]

    assert sorted(placed) == sorted({*metadata.tables, *EVERYWHERE})


async def test_tables_of_a_group_are_placed_together(database: Database) -> None:
    rows = await database.fetch(
        "SELECT logicalrelid::text AS name, colocationid, column_to_column_name(logicalrelid, "
        "partkey) AS by FROM pg_dist_partition WHERE partmethod = 'h'"
    )
    places = {row["name"]: row["colocationid"] for row in rows}

    assert {row["name"]: row["by"] for row in rows} == {
        table: column for group in GROUPS for table, column in group.tables.items()
    }
    assert [len({places[table] for table in group.tables}) for group in GROUPS] == [1] * len(GROUPS)
    assert len(set(places.values())) == len(GROUPS)


async def test_tables_have_as_many_shards_as_were_asked_for(database: Database) -> None:
    counts = await database.fetch(
        "SELECT DISTINCT count(*) AS shards FROM pg_dist_shard JOIN pg_dist_partition "
        "USING (logicalrelid) WHERE partmethod = 'h' GROUP BY logicalrelid"
    )

    assert [row["shards"] for row in counts] == [SHARDS]


async def test_functions_of_one_key_run_where_its_rows_are(database: Database) -> None:
    places = await database.fetch(
        "SELECT p.proname AS name, o.colocationid = t.colocationid AS right_there FROM pg_proc p "
        "JOIN pg_dist_partition t ON t.logicalrelid = 'channels'::regclass "
        "LEFT JOIN pg_catalog.pg_dist_object o "
        "ON o.objid = p.oid AND o.distribution_argument_index IS NOT NULL "
        "WHERE p.pronamespace = 'public'::regnamespace AND 'p_channel_id' = ANY (p.proargnames)"
    )

    assert places
    assert [row["name"] for row in places if not row["right_there"]] == []


async def test_migrating_again_changes_nothing(database: Database, database_url: str) -> None:
    await asyncio.to_thread(migrate, database_url, shards=SHARDS * 2)

    await test_tables_have_as_many_shards_as_were_asked_for(database)
    assert await list_differences(database_url) == []


def test_a_number_of_shards_that_makes_no_sense_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "parley", "migrate", "--shards", "0"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "--shards" in done.stderr
