"""Revocations: which devices ended lately, as every process asks twice a second.

Whoever ends a device writes a row here in the same transaction. All rows are in one bucket, and so
in one shard: what each process asks is one task, however many shards the devices are in.
"""

from models.postgresql.database import Connection, Database

# The only one there is.
BUCKET = 0
# A connection that is silent for longer is left, since a revocation acts within two seconds.
ANSWERED_WITHIN_S = 0.6

_NEWEST = """
SELECT user_id, device_id FROM revocations
WHERE bucket = $1 AND at > now() - make_interval(secs => $2)
"""
# Processes of the release before write no row, and never ran on Citus. The release after this one
# leaves it out, and drops the index that it needs.
_NEWEST_OF_ALL = f"""{_NEWEST}
UNION SELECT user_id, id FROM devices WHERE revoked_at > now() - make_interval(secs => $2)
"""


async def note_revocation(connection: Connection, user_id: str, device_id: str) -> None:
    """Store within the caller's transaction that the device has just ended."""
    await connection.execute(
        # PostgreSQL's clock, by which processes ask for the newest.
        "INSERT INTO revocations (bucket, at, user_id, device_id) VALUES ($1, now(), $2, $3)",
        BUCKET,
        user_id,
        device_id,
    )


async def list_revoked(database: Database, since_s: float) -> list[tuple[str, str]]:
    """Return (user id, device id) of the devices that ended within the last `since_s` seconds, by
    PostgreSQL's clock.

    A device that ends gets the time at which its transaction began: ask for a few seconds more than
    have passed since the last call.

    Raises:
        Refused: UNAVAILABLE, also where no answer came in time.
    """
    query = _NEWEST if database.is_distributed else _NEWEST_OF_ALL
    rows = await database.fetch_within(ANSWERED_WITHIN_S, query, BUCKET, since_s)
    return [(row["user_id"], row["device_id"]) for row in rows]
