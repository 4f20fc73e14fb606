"""Tables are emptied between tests though nodes are at work, and no node suffers from it."""

import asyncio

from models.postgresql.database import Database
from tests.citus.cluster import Emptying
from tests.database.groups.group_races import make_users
from tests.emptying import empty
from tests.locks import count_waiting
from tests.waiting import eventually

DUTY = """INSERT INTO duties (bucket, name, holder_id, held_until)
    VALUES (0, 'of nobody', gen_random_uuid(), now()) ON CONFLICT DO NOTHING"""


async def test_whoever_holds_rows_in_another_order_goes_on(
    database: Database, other_database: Database, emptying: Emptying | None
) -> None:
    await make_users(database, 1)
    await database.execute(DUTY)

    async with other_database.transaction() as connection:
        await connection.execute("SELECT FROM users FOR UPDATE")
        emptied = asyncio.create_task(empty(database, emptying))
        await eventually(lambda: count_waiting(other_database))
        # Deleted by now, and not committed.
        await connection.execute("SELECT FROM duties FOR UPDATE")
    await emptied

    assert await database.fetchval("SELECT count(*) FROM users") == 0
