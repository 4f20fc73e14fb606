"""Every statement of the app is one task on Citus, or is on the list (several_shards.py).

What `make test-citus` ran before is explained: the statements of all its tests.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import pytest

from models.postgresql.database import Connection, Database
from tests.citus.recording import Statement, load
from tests.citus.several_shards import SEVERAL_SHARDS

EXPLAINED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


@pytest.fixture(scope="module")
def statements(pytestconfig: pytest.Config) -> Sequence[Statement]:
    folder = Path(pytestconfig.getoption("--statements"))
    found = [each for each in load(folder) if each.query.lstrip().upper().startswith(EXPLAINED)]
    assert found, f"{folder} has no recorded statement; make test-citus records them"
    return found


async def test_are_one_task_each_or_on_the_list(
    database: Database, statements: Sequence[Statement]
) -> None:
    listed = {each.where for each in SEVERAL_SHARDS}
    wrong = []
    for statement in statements:
        async with database.connection() as connection:
            plan = await explain(connection, statement)
        if plan != "1 task" and not (plan.endswith(" tasks") and statement.where in listed):
            wrong.append(f"{statement.where}: {plan}\n    {' '.join(statement.query.split())}")

    assert wrong == [], "\n".join(["", *sorted(wrong)])


async def test_on_the_list_are_few_and_touch_several_shards(
    database: Database, statements: Sequence[Statement]
) -> None:
    several = set()
    for statement in statements:
        async with database.connection() as connection:
            if (await explain(connection, statement)).endswith(" tasks"):
                several.add(statement.where)

    assert [each.where for each in SEVERAL_SHARDS if each.where not in several] == []
    assert len(SEVERAL_SHARDS) <= 12


async def explain(connection: Connection, statement: Statement) -> str:
    """Return into how many tasks Citus cuts the statement, or why it refuses it."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        rows = await connection.fetch(f"EXPLAIN (COSTS OFF) {statement.query}", *statement.args)
    except asyncpg.PostgresError as error:
        return f"refused: {error}"
    finally:
        await transaction.rollback()
    text = "\n".join(row[0] for row in rows)
    if "pull to coordinator" in text:
        return "pulled to the coordinator"
    tasks = sum(int(count) for count in re.findall(r"Task Count: (\d+)", text))
    return "1 task" if tasks <= 1 else f"{tasks} tasks"
