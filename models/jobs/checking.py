"""Checks the database of the queue, where it is another than that of all else."""

import asyncpg

from models.deadlines import within
from models.postgresql.database import CONNECTION_ERRORS, DatabaseClosed, connect
from models.postgresql.readiness import QUESTION

# A database that does not answer within so long counts as away.
ANSWER_WITHIN_S = 3.0


async def is_there(url: str, *, revision: str) -> bool:
    """Return whether the database answers. It may be away: jobs wait until it is back.

    Raises:
        DatabaseClosed: it refuses this process, or has not got this revision.
    """
    try:
        found = await within(_ask(url), ANSWER_WITHIN_S)
    except asyncpg.exceptions.ClientConfigurationError as error:
        raise DatabaseClosed(str(error)) from None
    except CONNECTION_ERRORS:
        return False
    except asyncpg.UndefinedTableError:
        found = ""
    except asyncpg.PostgresError as error:
        raise DatabaseClosed(f"PostgreSQL says: {error}") from None
    # Nothing is found where writes are not taken.
    if found is not None and found < revision:
        raise DatabaseClosed(
            "Its tables are not the newest: run `python -m parley migrate`, which migrates both "
            "databases."
        )
    return found is not None


async def _ask(url: str) -> str | None:
    connection = await connect(url)
    try:
        found = await connection.fetchval(QUESTION)
    finally:
        connection.terminate()
    return None if found is None else str(found)
