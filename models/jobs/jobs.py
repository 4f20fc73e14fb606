"""Jobs: what a worker does later, as rows of a queue, which may be in another database than what
they belong to.

A job runs at least once. Its payload is JSON of ids and numbers, never of what people say. A job
that a transaction makes due is queued after its commit (models/jobs/due.py).

A job may have an owner: kinds that are registered so take their owners' jobs in turn. The row keeps
a number of the owner as its `turn`, by which an index finds the next one; nothing is taken earlier
for it.
"""

import hashlib
from collections.abc import Sequence

import msgspec

from models.postgresql.database import Connection, Database

# The highest number of an owner; there is one above it, for a column of four bytes.
LAST_TURN = 2**31 - 2
# On which workers are told that jobs were queued.
QUEUED_CHANNEL = "parley_jobs"
_encode = msgspec.json.Encoder().encode

# $1 kind, $2 payloads, $3 their dedupe keys, $4 the owner's number, $5 seconds until they are due.
_ENQUEUE = f"""
WITH queued AS (
    INSERT INTO jobs (kind, payload, dedupe_key, turn, due_at)
    SELECT $1, x.payload, x.dedupe_key, $4, now() + make_interval(secs => $5)
    FROM unnest($2::bytea[], $3::text[]) WITH ORDINALITY AS x (payload, dedupe_key, place)
    ORDER BY x.place
    ON CONFLICT (dedupe_key) WHERE state IN ('waiting', 'running') AND dedupe_key IS NOT NULL
        DO NOTHING
    RETURNING id
)
SELECT pg_notify('{QUEUED_CHANNEL}', '') FROM (SELECT FROM queued LIMIT 1) AS any_of_them
"""


def queue_of(database: Database) -> Database:
    """Return the database that has the queue."""
    return database.jobs or database


async def enqueue(
    connection: Connection,
    kind: str,
    payloads: Sequence[object],
    *,
    after_s: float = 0,
    dedupe_keys: Sequence[str | None] | None = None,
    owner_id: str | None = None,
) -> None:
    """Queue a job of the kind for each payload, on a connection of the queue's database.

    Jobs under a dedupe key that waits or runs already are not queued again. `owner_id` is whose
    they all are.
    """
    if not payloads:
        return
    await connection.execute(
        _ENQUEUE,
        kind,
        [_encode(payload) for payload in payloads],
        [None] * len(payloads) if dedupe_keys is None else list(dedupe_keys),
        0 if owner_id is None else turn_of(owner_id),
        after_s,
    )


def turn_of(owner_id: str) -> int:
    """Return the owner's number, from 1 to `LAST_TURN`. Owners of one number share turns."""
    digest = hashlib.blake2b(owner_id.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % LAST_TURN + 1
