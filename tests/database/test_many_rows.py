"""Rows that are inserted together are stored as if one by one, by one statement on PostgreSQL and
by one a row on Citus.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from models.postgresql.database import Connection, Database
from models.postgresql.many_rows import ManyRows
from tests.waiting import eventually

ROWS = ManyRows(
    "INSERT INTO many_rows AS m (owner, name, seq)",
    "$3::uuid, {name}, {seq}",
    {"name": "text", "seq": "integer"},
    """
    ON CONFLICT (owner, name) DO UPDATE SET seq = excluded.seq WHERE m.seq < $4::integer
    RETURNING m.name, m.seq
    """,
)
OWNER = "a" * 32
EITHER_WAY = pytest.mark.parametrize("is_distributed", [False, True], ids=["arrays", "values"])


@pytest_asyncio.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    async with database.connection() as connection:
        await connection.execute(
            "CREATE TEMP TABLE many_rows (owner uuid, name text, seq integer, "
            "PRIMARY KEY (owner, name))"
        )
        yield connection
        await connection.execute("DROP TABLE many_rows")


@EITHER_WAY
@pytest.mark.parametrize("count", [0, 1, 2, 100])
async def test_all_are_stored_and_returned_in_order(
    connection: Connection, count: int, is_distributed: bool
) -> None:
    rows = [(f"row {number:03}", number) for number in range(count)]

    returned = await ROWS.write(connection, rows, OWNER, 0, is_distributed=is_distributed)

    assert [(row["name"], row["seq"]) for row in returned] == rows
    stored = await connection.fetch("SELECT * FROM many_rows ORDER BY name")
    assert [tuple(row) for row in stored] == [(OWNER, *row) for row in rows]


@EITHER_WAY
async def test_what_conflicts_is_decided_row_by_row(
    connection: Connection, is_distributed: bool
) -> None:
    await ROWS.write(connection, [("old", 1), ("new", 9)], OWNER, 0, is_distributed=False)

    returned = await ROWS.write(
        connection, [("new", 2), ("old", 2), ("other", 2)], OWNER, 5, is_distributed=is_distributed
    )

    assert {row["name"] for row in returned} == {"old", "other"}
    stored = await connection.fetch("SELECT name, seq FROM many_rows")
    assert dict(map(tuple, stored)) == {"old": 2, "new": 9, "other": 2}


async def test_a_hundred_are_one_statement(connection: Connection) -> None:
    ran: list[str] = []
    rows = [(str(number), number) for number in range(100)]

    with connection.query_logger(lambda statement: ran.append(statement.query)):
        await ROWS.write(connection, rows, OWNER, 0, is_distributed=False)
        await connection.execute("SELECT 'the end'")

        await eventually(lambda: "SELECT 'the end'" in ran)

    assert ["unnest" in query for query in ran] == [True, False]
