"""Jobs that are due: stored by the transaction that makes them so, and queued after its commit.

The queue may be another database, so a job cannot commit with what it belongs to. The transaction
stores one row of `due_jobs` for all jobs that it makes due. After the commit they are queued and
the row is deleted. A process that dies in between, or cannot reach the queue, leaves the row to the
sweep (workers/jobs/due_sweep.py), which does the same some seconds later.

The row's id is the dedupe key: the queue remembers it (`queued_due_jobs`), so that jobs which two
processes queue are queued once, also when they have run meanwhile.
"""

import logging
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec

from models import ids
from models.deadlines import within
from models.jobs.jobs import QUEUED_CHANNEL, queue_of, turn_of
from models.postgresql.database import Connection, Database
from models.refusals import Refused, unavailable

logger = logging.getLogger("parley.jobs")

# Rows are spread over these, so that on Citus no shard has them all. The sweep asks for each.
BUCKETS = 16
# The sweep has time: a row may have thousands of jobs.
SWEPT_WITHIN_S = 5.0
# After a sweep that found all done, nothing of this age is queued again.
REMEMBERED_S = 600.0


class DueKind(msgspec.Struct, frozen=True):
    """Jobs of one kind. `dedupe_keys` and `payloads` are parallel; `due_at` is None for now."""

    kind: str
    payloads: list[msgspec.Raw]
    dedupe_keys: list[str | None] | None = None
    turn: int = 0
    due_at: datetime | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[DueKind]).decode

# $1 the row's id, which must be new; then, parallel, one element a job: $2 kinds, $3 payloads, $4
# dedupe keys, $5 owners' numbers, $6 when they are due.
_QUEUE = f"""
WITH remembered AS (
    INSERT INTO queued_due_jobs (id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id
), queued AS (
    INSERT INTO jobs (kind, payload, dedupe_key, turn, due_at)
    SELECT x.kind, x.payload, x.dedupe_key, x.turn, coalesce(x.due_at, now())
    FROM remembered, unnest($2::text[], $3::bytea[], $4::text[], $5::integer[], $6::timestamptz[])
        WITH ORDINALITY AS x (kind, payload, dedupe_key, turn, due_at, place)
    ORDER BY x.place
    ON CONFLICT (dedupe_key) WHERE state IN ('waiting', 'running') AND dedupe_key IS NOT NULL
        DO NOTHING
    RETURNING id
)
SELECT pg_notify('{QUEUED_CHANNEL}', '') FROM (SELECT FROM queued LIMIT 1) AS any_of_them
"""
_STORE = "INSERT INTO due_jobs (bucket, id, jobs) VALUES ($1, $2, $3)"
_DONE = "DELETE FROM due_jobs WHERE bucket = $1 AND id = ANY ($2::uuid[])"
# $1 bucket, $2 seconds, $3 how many.
_FIND = """
SELECT id, jobs FROM due_jobs WHERE bucket = $1 AND at < now() - make_interval(secs => $2)
ORDER BY at LIMIT $3
"""


class DueJobs:
    """The jobs of one transaction: `add` them, `store` them in it, and `queue` them after it."""

    def __init__(self) -> None:
        self._kinds: list[DueKind] = []
        self._bucket = random.randrange(BUCKETS)
        self._id = ids.new_id()

    def add(
        self,
        kind: str,
        payloads: Sequence[object],
        *,
        after_s: float = 0,
        dedupe_keys: Sequence[str | None] | None = None,
        owner_id: str | None = None,
    ) -> None:
        """Add a job of the kind for each payload. A job under a dedupe key that waits or runs by
        then is not queued. `owner_id` is whose they all are.
        """
        if payloads:
            self._kinds.append(
                DueKind(
                    kind,
                    [msgspec.Raw(_encode(payload)) for payload in payloads],
                    None if dedupe_keys is None else list(dedupe_keys),
                    0 if owner_id is None else turn_of(owner_id),
                    datetime.now(UTC) + timedelta(seconds=after_s) if after_s else None,
                )
            )

    def add_as_it_is(self, jobs: DueKind) -> None:
        """Add jobs that were queued elsewhere."""
        self._kinds.append(jobs)

    async def store(self, connection: Connection) -> None:
        """Store what was added, in the connection's transaction."""
        if self._kinds:
            await connection.execute(_STORE, self._bucket, self._id, _encode(self._kinds))

    async def queue(self, database: Database) -> None:
        """Queue what was stored, after the commit. Raise nothing: the sweep does what cannot be
        done now.
        """
        if not self._kinds:
            return
        try:
            await _queue(queue_of(database), self._id, self._kinds, within_s=database.queue_wait_s)
            await database.execute(_DONE, self._bucket, [self._id])
        except (Refused, asyncpg.PostgresError) as error:
            # What it belongs to is committed, and must not fail for this.
            logger.warning("Jobs are left to the sweep: %s.", type(error).__name__)


@asynccontextmanager
async def transaction_with_jobs(database: Database) -> AsyncIterator[tuple[Connection, DueJobs]]:
    """Begin a transaction, and queue after its commit the jobs that were added."""
    due = DueJobs()
    async with database.transaction() as connection:
        yield connection, due
        await due.store(connection)
    await due.queue(database)


async def _queue(
    queue: Database, due_id: str, kinds: Sequence[DueKind], *, within_s: float
) -> None:
    """Queue these jobs, unless they have been queued before. Connecting and queueing may take
    `within_s` each.

    Raises:
        Refused: UNAVAILABLE.
    """
    queueing = queue.fetch_within(
        within_s,
        _QUEUE,
        due_id,
        [each.kind for each in kinds for _ in each.payloads],
        [bytes(payload) for each in kinds for payload in each.payloads],
        [key for each in kinds for key in each.dedupe_keys or [None] * len(each.payloads)],
        [each.turn for each in kinds for _ in each.payloads],
        [each.due_at for each in kinds for _ in each.payloads],
    )
    # So that a statement without an answer ends first, and its connection is left for good.
    try:
        await within(queueing, 2 * within_s)
    except TimeoutError as error:
        raise unavailable() from error


async def queue_left(database: Database, *, older_than_s: float, most: int) -> int:
    """Queue jobs whose rows are of that age: whoever stored them has died, or could not reach the
    queue. Return how many rows that was, `most` at most for each bucket.

    Raises:
        Refused: UNAVAILABLE.
    """
    count = 0
    for bucket in range(BUCKETS):
        rows = await database.fetch(_FIND, bucket, older_than_s, most)
        done = [row["id"] for row in rows if await _queue_row(database, row)]
        if done:
            await database.execute(_DONE, bucket, done)
        count += len(done)
    return count


async def _queue_row(database: Database, row: asyncpg.Record) -> bool:
    """Queue the jobs of a row. Return False for one that this release cannot read."""
    try:
        kinds = _decode(row["jobs"])
    except msgspec.MsgspecError:
        logger.error("A row of due_jobs cannot be read; it stays: %s.", row["id"])
        return False
    await _queue(queue_of(database), row["id"], kinds, within_s=SWEPT_WITHIN_S)
    return True


# Those of a worker that has been silent for long count as waiting.
_TAKE_OUT = """
WITH x AS MATERIALIZED (
    SELECT id FROM jobs WHERE payload <> ''
      AND (state = 'waiting' OR state = 'running' AND seen_at < now() - make_interval(secs => $1))
    ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
)
DELETE FROM jobs j USING x WHERE j.id = x.id
RETURNING j.kind, j.payload, j.dedupe_key, j.turn, j.due_at
"""


async def move_queue(database: Database, *, silent_s: float, most: int) -> int:
    """Move at most `most` jobs of this database to the queue, where that is another: processes that
    do not know of it have queued them here. Return how many that was.

    Raises:
        Refused: UNAVAILABLE.
    """
    if database.jobs is None:
        return 0
    async with transaction_with_jobs(database) as (connection, due):
        rows = await connection.fetch(_TAKE_OUT, silent_s, most)
        for row in rows:
            due.add_as_it_is(
                DueKind(
                    row["kind"],
                    [msgspec.Raw(row["payload"])],
                    [row["dedupe_key"]],
                    row["turn"],
                    row["due_at"],
                )
            )
    return len(rows)


async def forget_queued(database: Database) -> None:
    """Forget which rows were queued long ago. Call it when no row of that age is left.

    Raises:
        Refused: UNAVAILABLE.
    """
    await queue_of(database).execute(
        "DELETE FROM queued_due_jobs WHERE at < now() - make_interval(secs => $1)", REMEMBERED_S
    )
