"""Empty tables for the next test, while nodes that stay open for the whole run may still settle,
relay or count what the test before left.
"""

from collections.abc import Awaitable, Callable

import asyncpg

from models.postgresql.database import Database
from models.postgresql.distribution import WITH_JOBS
from models.refusals import Refused
from models.tables import metadata
from tests.citus.cluster import Emptying
from tests.waiting import eventually

# For a row that a node holds. Product statements lock rows in an order of their own, so waiting for
# one may be a deadlock: this gives up before PostgreSQL looks for one (after 1 s) and ends a node's
# statement.
LOCK_WAIT = "SELECT set_config('lock_timeout', '200ms', true)"
EMPTY_ALL = ";".join(
    [LOCK_WAIT, *(f"DELETE FROM {table.name}" for table in metadata.sorted_tables)]
)
EMPTY_JOBS = ";".join([LOCK_WAIT, *(f"DELETE FROM {table}" for table in WITH_JOBS)])
# Refused: the test before ended a connection of the pool.
IN_THE_WAY = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, Refused)


async def empty(database: Database, emptying: Emptying | None) -> None:
    """Delete all rows; again, where a node at work held one of them."""
    if emptying:
        await _until_done(emptying.run)
    statements = EMPTY_JOBS if emptying else EMPTY_ALL
    await _until_done(lambda: database.execute(statements))


async def _until_done(delete: Callable[[], Awaitable[object]]) -> None:
    async def is_done() -> bool:
        try:
            await delete()
        except IN_THE_WAY:
            return False
        return True

    await eventually(is_done)
