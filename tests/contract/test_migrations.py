"""The revisions of the database never change, and bring every older database up to date."""

import ast
import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from alembic import command
from alembic.script import ScriptDirectory

from models.ids import new_id
from models.jobs.queue import JobQueue
from models.postgresql.database import Database
from parley.migrations import configuration, list_differences, migrate
from parley.revisions import newest_revision
from tests.waiting import eventually

MIGRATIONS = Path(__file__).parents[2] / "migrations"
REVISIONS = sorted(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
# The SHA-256 of every file of a released revision, by its first 16 digits: a release is never
# changed. What a new revision holds is added here when it is released.
RELEASED = {
    "sql/0001/advance_positions.sql": "302a0676cdfe9cab",
    "sql/0001/append_messages.sql": "11e60aaab8a8b741",
    "sql/0001/build_search_blocks.sql": "4784347fb9e27eb2",
    "sql/0001/rebuild_search_block.sql": "1fb8ff354afccfd7",
    "sql/0001/search_words.sql": "6c76d4d1bccb581c",
    "sql/0001/words_of.sql": "30cab9b3b8a39090",
    "sql/0002/pgqueuer/install.sql": "024bad18a1c69215",
    "sql/0002/pgqueuer/uninstall.sql": "4f081f01551564b6",
    "sql/0007/advance_channel_v1.sql": "b693864eede05718",
    "sql/0007/append_channel_v1.sql": "eb88f8045330d084",
    "sql/0008/take_pgqueuer_job.sql": "8f7fecc7a4e78290",
    "sql/0010/build_search_blocks_v2.sql": "766dc8022fc1e98f",
    "sql/0010/rebuild_search_block_v2.sql": "9582f34232e6090d",
    "sql/0013/note_profile.sql": "07db84c6e63cbc97",
    "versions/0001_first_tables.py": "3367b3375a85d7a6",
    "versions/0002_media_jobs_push.py": "0eb83f10768d93ba",
    "versions/0003_push_shown_edits.py": "3ccd9d91f47064f4",
    "versions/0004_codes_side_by_side.py": "0cc764f40865d27d",
    "versions/0005_push_gates.py": "6de6090dd23e14b3",
    "versions/0006_confirmed_mail.py": "cff430b84215192e",
    "versions/0007_one_channel.py": "b98b0f1b646c7314",
    "versions/0008_jobs.py": "f242c365de2aacf5",
    "versions/0009_inbox_streams.py": "895ad752f6256d99",
    "versions/0010_search_blocks.py": "f06e0734b5ae905e",
    "versions/0011_revocations.py": "63858041821c8c57",
    "versions/0012_duties.py": "87b79f6e85ecc5cf",
    "versions/0013_profile_changes.py": "9cc3a0ff54695b23",
    "versions/0014_due_jobs.py": "44269fb9afd4734d",
}
# A value for a column of each type, which no revision's rules refuse.
SAMPLES = {
    "uuid": "gen_random_uuid()",
    "text": "'something'",
    "bytea": "'\\x00ff'",
    "boolean": "true",
    "smallint": "1",
    "integer": "1",
    "bigint": "1",
    "real": "1.5",
    "double precision": "1.5",
    "jsonb": "'{}'",
    "timestamp with time zone": "'2026-01-01T00:00:00Z'",
    "tsvector": "'some words'",
    "ARRAY": "'{}'",
}


@pytest_asyncio.fixture
async def empty_url(database: Database, database_url: str) -> AsyncIterator[str]:
    """The address of a database that no migration has seen."""
    name = f"migrated_{new_id()}"
    await database.execute(f"CREATE DATABASE {name}")
    yield f"{database_url.rpartition('/')[0]}/{name}"
    await database.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_one_revision_follows_another() -> None:
    scripts = ScriptDirectory(str(MIGRATIONS))

    in_order = [script.revision for script in scripts.walk_revisions()]

    assert in_order[::-1] == REVISIONS
    assert newest_revision() == scripts.get_current_head()
    assert [f"{number:04}" for number in range(1, len(REVISIONS) + 1)] == REVISIONS


def test_are_changed_never_again() -> None:
    found = {
        name: hashlib.sha256((MIGRATIONS / name).read_bytes()).hexdigest()[:16] for name in RELEASED
    }

    assert found == RELEASED


@pytest.mark.parametrize("revision", REVISIONS)
def test_hold_their_whole_text(revision: str) -> None:
    """What a revision imports of the code would change with the code."""
    (path,) = (MIGRATIONS / "versions").glob(f"{revision}_*.py")

    imported = {
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }

    assert {str(name).partition(".")[0] for name in imported} <= {
        "alembic",
        "migrations",
        "sqlalchemy",
    }


@pytest.mark.parametrize("revision", REVISIONS[:-1])
async def test_bring_older_ones_up_to_date_with_their_rows(revision: str, empty_url: str) -> None:
    await asyncio.to_thread(command.upgrade, configuration(empty_url), revision)
    before = await fill(empty_url)

    await asyncio.to_thread(migrate, empty_url)

    assert await list_differences(empty_url) == []
    assert before
    after = await count_rows(empty_url, before)
    assert {table: rows for table, rows in after.items() if rows != 1} == {}


OLD_JOBS = """
INSERT INTO pgqueuer (entrypoint, priority, payload, dedupe_key, status, attempts, execute_after,
    headers)
VALUES ('media', 7, '{"n":1}', 'one', 'queued', 0, now(), NULL),
    ('media', 0, '{"n":2}', NULL, 'queued', 2, now() + interval '1 day', NULL),
    ('push', 0, '{"n":3}', 'three', 'picked', 1, now(), NULL),
    ('push', 0, NULL, NULL, 'failed', 5, now(), '{"fault": {"name": "Gone", "sentence": "So."}}')
"""
# As pgqueuer 1.6.0 queues, in the processes of the release before.
OLD_ENQUEUE = """
WITH inserted AS (
    INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, dedupe_key, headers, status)
    VALUES (9, $1, $2, now() + interval '1 hour', $3, NULL, 'queued')
    ON CONFLICT (dedupe_key) WHERE ((status IN ('queued', 'picked') AND dedupe_key IS NOT NULL))
        DO NOTHING
    RETURNING id, entrypoint, status, priority
), logged AS (
    INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority)
    SELECT id, status, entrypoint, priority FROM inserted
)
SELECT id FROM inserted
"""


async def test_jobs_of_the_release_before_are_taken_over(empty_url: str) -> None:
    await asyncio.to_thread(command.upgrade, configuration(empty_url), "0007")
    database = await Database.open(empty_url, connections=1)
    await database.execute(OLD_JOBS)

    await asyncio.to_thread(migrate, empty_url)

    rows = await database.fetch(
        "SELECT kind, convert_from(payload, 'UTF8') AS payload, turn, dedupe_key, state, tries, "
        "due_at > now() AS is_later, fault ->> 'name' AS fault FROM jobs ORDER BY id"
    )
    left = await database.fetchval("SELECT count(*) FROM pgqueuer")
    await database.close()
    assert [tuple(row) for row in rows] == [
        ("media", '{"n":1}', 7, "one", "waiting", 0, False, None),
        ("media", '{"n":2}', 0, None, "waiting", 2, True, None),
        # What a worker had at hand is queued again, and its try does not count.
        ("push", '{"n":3}', 0, "three", "waiting", 0, False, None),
        ("push", "", 0, None, "failed", 5, False, "Gone"),
    ]
    assert left == 0


async def test_what_a_process_of_the_release_before_queues_reaches_new_workers(
    empty_url: str,
) -> None:
    await asyncio.to_thread(migrate, empty_url)
    database = await Database.open(empty_url, connections=1)
    queue = await JobQueue.open(empty_url, new_id())
    told = asyncio.Event()
    listening = asyncio.create_task(queue.listen(told.set))
    await eventually(lambda: is_listened_to(database))

    for dedupe_key in ("once", "once", None):
        await database.execute(OLD_ENQUEUE, "push", b'{"n":1}', dedupe_key)

    await asyncio.wait_for(told.wait(), 60)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    rows = await database.fetch("SELECT kind, turn, state, due_at > now() FROM jobs ORDER BY id")
    left = await database.fetchval("SELECT count(*) FROM pgqueuer")
    await queue.close()
    await database.close()
    assert [tuple(row) for row in rows] == [("push", 9, "waiting", True)] * 2
    assert left == 0


async def is_listened_to(database: Database) -> bool:
    found: bool = await database.fetchval(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() "
        "AND query LIKE 'LISTEN%')"
    )
    return found


async def test_can_be_taken_back(empty_url: str) -> None:
    await asyncio.to_thread(migrate, empty_url)

    await asyncio.to_thread(command.downgrade, configuration(empty_url), "base")

    database = await Database.open(empty_url, connections=1)
    left = await database.fetchval(
        "SELECT array_agg(relname ORDER BY relname) FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace"
    )
    functions = await database.fetchval(
        "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace "
        "AND probin IS NULL"
    )
    await database.close()
    assert (left, functions) == (["alembic_version", "alembic_version_pkc"], 0)


async def fill(url: str) -> list[str]:
    """Put a row into every table of the database at `url`; returns their names."""
    database = await Database.open(url, connections=1)
    columns = await database.fetch(
        "SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c "
        "JOIN information_schema.tables t USING (table_schema, table_name) "
        "WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' "
        "AND c.is_identity = 'NO' AND c.data_type <> 'USER-DEFINED' "
        "AND c.table_name <> 'alembic_version' AND c.table_name NOT LIKE 'pgqueuer%'"
    )
    tables: dict[str, dict[str, str]] = {}
    for table, column, kind in columns:
        tables.setdefault(table, {})[column] = SAMPLES[kind]
    for table, row in tables.items():
        names, values = ", ".join(row), ", ".join(row.values())
        await database.execute(f"INSERT INTO {table} ({names}) VALUES ({values})")
    await database.close()
    return list(tables)


async def count_rows(url: str, tables: list[str]) -> dict[str, int]:
    """Returns how many rows each of the tables has, 0 for one that is gone."""
    database = await Database.open(url, connections=1)
    counts = {}
    for table in tables:
        there = await database.fetchval("SELECT to_regclass($1) IS NOT NULL", table)
        counts[table] = await database.fetchval(f"SELECT count(*) FROM {table}") if there else 0
    await database.close()
    return counts
