"""Who waits for a lock in the database."""

from models.postgresql.database import Connection, Database
from models.postgresql.distribution import IS_DISTRIBUTED


async def count_waiting(database: "Database | Connection", *, but: str = "") -> int:
    """Count the sessions that wait for somebody's lock, but those whose statement has this text. On
    Citus, rows are waited for on the servers where they are.
    """
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    if but:
        query += f" AND query NOT LIKE '%{but}%'"
    if await database.fetchval(IS_DISTRIBUTED):
        query = (
            "SELECT sum(result::integer)::integer FROM run_command_on_all_nodes($$" + query + "$$)"
        )
    count: int = await database.fetchval(query)
    return count
