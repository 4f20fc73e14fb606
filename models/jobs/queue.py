"""The queue as workers have it: jobs are taken, kept alive, put off, set aside or done.

The table is pgqueuer's (models/jobs/jobs.py fills it), and what it means stays so: `picked` is
taken by a worker whose heartbeat is fresh, `failed` is set aside for a person. Two things are ours:
- `attempts` is raised by the statement that takes a job, so that a job which kills its worker is
  counted as well as one that raises.
- Jobs of a kind go by when they were due, found by the index on just that: pgqueuer's own statement
  reads past every job that is due later. Where owners take turns, the index by owner (`priority`,
  see models/jobs/jobs.py) finds the next one's oldest job.
Ages and times are PostgreSQL's. `headers` keeps the last error: its class and a sentence of ours.
"""

import asyncio
from collections.abc import Callable, Sequence

import asyncpg
import msgspec

from models.database import CONNECTION_ERRORS, Database, connect
from models.jobs.jobs import LAST_TURN
from models.refusals import unavailable


class TakenJob(msgspec.Struct, frozen=True):
    """`tries`: how often it was taken, this time included. `turn`: the number of its owner."""

    id: int
    kind: str
    payload: bytes
    tries: int
    turn: int = 0


class JobFault(msgspec.Struct, frozen=True):
    """What went wrong, without a word of what the job was about."""

    name: str
    sentence: str


class Due(msgspec.Struct, frozen=True):
    """What waits of a kind: whether a job is due, in how many seconds the first of the others is
    (None: there is none), and whether a job was taken whose worker is silent.
    """

    now: bool
    in_s: float | None
    left_behind: bool


class PutOff(msgspec.Struct, frozen=True):
    """A job for later. `counts`: this try counts towards the most it may have."""

    job_id: int
    after_s: float
    counts: bool
    fault: JobFault | None


class _Headers(msgspec.Struct):
    fault: JobFault | None = None


class _Event(msgspec.Struct):
    operation: str = ""


# On which pgqueuer's trigger tells that jobs were queued.
CHANNEL = "ch_pgqueuer"
_encode = msgspec.json.Encoder().encode
_decode_headers = msgspec.json.Decoder(_Headers).decode
_decode_event = msgspec.json.Decoder(_Event).decode
UNKNOWN = JobFault("Unknown", "Nothing was noted.")

# $1 kinds, $2 seconds of silence, $3 those at hand.
_DUE = """
SELECT k.kind,
    EXISTS (SELECT FROM pgqueuer j WHERE j.status = 'queued' AND j.entrypoint = k.kind
            AND j.execute_after <= now()) AS is_due,
    (SELECT extract(epoch FROM min(j.execute_after) - now())::float8 FROM pgqueuer j
     WHERE j.status = 'queued' AND j.entrypoint = k.kind AND j.execute_after > now()) AS due_in_s,
    EXISTS (SELECT FROM pgqueuer j WHERE j.status = 'picked' AND j.entrypoint = k.kind
            AND j.heartbeat < now() - make_interval(secs => $2) AND j.id <> ALL ($3)
    ) AS is_left_behind
FROM unnest($1::text[]) AS k (kind)
"""
_TAKE = """
WITH found AS ({found})
UPDATE pgqueuer q SET status = 'picked', updated = now(), heartbeat = now(),
    queue_manager_id = $1, attempts = q.attempts + 1
FROM found WHERE q.id = found.id
RETURNING q.id, q.entrypoint, coalesce(q.payload, '') AS payload, q.attempts, q.priority
"""
# $1 worker, $2 kind, $3 how many.
_TAKE_DUE = _TAKE.format(
    found="""
    SELECT j.id FROM pgqueuer j
    WHERE j.entrypoint = $2 AND j.status = 'queued' AND j.execute_after <= now()
    ORDER BY j.execute_after LIMIT $3 FOR UPDATE SKIP LOCKED
    """
)
# $1 worker, $2 kind, $3 above the next owner's number, $4 how many of an owner run at most.
_TAKE_NEXT = _TAKE.format(
    found="""
    SELECT j.id FROM pgqueuer j
    WHERE j.entrypoint = $2 AND j.status = 'queued' AND j.execute_after <= now()
      AND j.priority < $3
      AND j.priority <> ALL (ARRAY(
          SELECT p.priority FROM pgqueuer p WHERE p.entrypoint = $2 AND p.status = 'picked'
          GROUP BY p.priority HAVING count(*) >= $4
      ))
    ORDER BY j.priority DESC, j.id LIMIT 1 FOR UPDATE SKIP LOCKED
    """
)
# $1 worker, $2 kind, $3 seconds of silence, $4 those at hand, $5 how often they were taken at most,
# $6 how many.
_TAKE_LEFT_BEHIND = _TAKE.format(
    found="""
    SELECT j.id FROM pgqueuer j
    WHERE j.entrypoint = $2 AND j.status = 'picked'
      AND j.heartbeat < now() - make_interval(secs => $3) AND j.id <> ALL ($4)
      AND j.attempts <= $5
    ORDER BY j.heartbeat LIMIT $6 FOR UPDATE SKIP LOCKED
    """
)
_OURS = "q.status = 'picked' AND q.queue_manager_id = $1"


class JobQueue:
    """The queue, for one worker (`worker_id`). All of it refuses with UNAVAILABLE while PostgreSQL
    is away or busy.
    """

    def __init__(self, database: Database, worker_id: str) -> None:
        self._database = database
        self._worker_id = worker_id

    @classmethod
    async def open(cls, database_url: str, worker_id: str) -> "JobQueue":
        """Open the queue on its own connections: no job's statements keep heartbeats waiting."""
        return cls(await Database.open(database_url, connections=3), worker_id)

    async def close(self) -> None:
        await self._database.close()

    async def listen(self, on_queued: Callable[[], None]) -> None:
        """Tell whenever jobs are queued, until the connection ends. Jobs that became due again are
        not told.
        """

        def hear(_: object, __: object, ___: object, payload: object) -> None:
            try:
                queued = _decode_event(str(payload)).operation == "insert"
            except msgspec.DecodeError:
                # Of another revision's making: a look too many does no harm.
                queued = True
            if queued:
                on_queued()

        ended = asyncio.Event()
        try:
            connection = await connect(self._database.url)
            connection.add_termination_listener(lambda _: ended.set())
            try:
                await connection.add_listener(CHANNEL, hear)
                await ended.wait()
            finally:
                connection.terminate()
        except CONNECTION_ERRORS as error:
            raise unavailable() from error

    # ---------------------------------------------------------------- taking

    async def find_due(
        self, kinds: Sequence[str], *, silent_s: float, at_hand: Sequence[int]
    ) -> dict[str, Due]:
        """Return what waits of each of these kinds."""
        rows = await self._database.fetch(_DUE, list(kinds), silent_s, list(at_hand))
        return {
            row["kind"]: Due(row["is_due"], row["due_in_s"], row["is_left_behind"]) for row in rows
        }

    async def take_due(self, kind: str, most: int) -> list[TakenJob]:
        """Take at most `most` jobs, those first that have been due for longest."""
        rows = await self._database.fetch(_TAKE_DUE, self._worker_id, kind, most)
        return [_job_of(row) for row in rows]

    async def take_next(self, kind: str, *, after: int, per_owner: int) -> TakenJob | None:
        """Take the oldest job of the next owner: the one with the greatest number below `after`,
        and then the greatest of all. Owners of whom workers run `per_owner` already are passed
        over; two workers that look at the same time may take one too many.
        """
        for bound in (after, LAST_TURN + 1):
            row = await self._database.fetchrow(_TAKE_NEXT, self._worker_id, kind, bound, per_owner)
            if row is not None:
                return _job_of(row)
        return None

    async def take_left_behind(
        self,
        kind: str,
        *,
        silent_s: float,
        at_hand: Sequence[int],
        taken_at_most: int,
        most: int = 1,
    ) -> list[TakenJob]:
        """Take jobs whose workers have been silent for `silent_s`, and that were taken at most
        `taken_at_most` times. `at_hand` are jobs that this worker knows it has.
        """
        rows = await self._database.fetch(
            *(_TAKE_LEFT_BEHIND, self._worker_id, kind, silent_s, list(at_hand)),
            *(taken_at_most, most),
        )
        return [_job_of(row) for row in rows]

    async def keep(self, job_ids: Sequence[int]) -> None:
        """Show that these jobs are worked on. Those that are just let go are passed over, so that
        neither waits for the other.
        """
        await self._database.execute(
            f"""
            UPDATE pgqueuer SET heartbeat = now() WHERE id IN (
                SELECT q.id FROM pgqueuer q WHERE q.id = ANY ($2::bigint[]) AND {_OURS}
                FOR UPDATE SKIP LOCKED
            )
            """,
            self._worker_id,
            list(job_ids),
        )

    # ---------------------------------------------------------------- letting go

    async def finish(self, job_ids: Sequence[int]) -> None:
        """Delete jobs that are done."""
        await self._database.execute(
            f"DELETE FROM pgqueuer q WHERE q.id = ANY ($2::bigint[]) AND {_OURS}",
            self._worker_id,
            list(job_ids),
        )

    async def put_off(self, jobs: Sequence[PutOff]) -> None:
        """Queue these jobs again, each for its own time."""
        await self._database.execute(
            f"""
            UPDATE pgqueuer q SET status = 'queued', updated = now(), queue_manager_id = NULL,
                execute_after = now() + make_interval(secs => x.after_s),
                attempts = q.attempts - x.given_back, headers = coalesce(x.headers, q.headers)
            FROM unnest($2::bigint[], $3::float8[], $4::integer[], $5::jsonb[])
                AS x (id, after_s, given_back, headers)
            WHERE q.id = x.id AND {_OURS}
            """,
            self._worker_id,
            [job.job_id for job in jobs],
            [job.after_s for job in jobs],
            [0 if job.counts else 1 for job in jobs],
            [None if job.fault is None else _headers(job.fault) for job in jobs],
        )

    async def set_aside(self, faults: Sequence[tuple[int, JobFault]]) -> None:
        """Keep these jobs, by id, for a person to look at."""
        await self._database.execute(
            f"""
            UPDATE pgqueuer q SET status = 'failed', updated = now(), queue_manager_id = NULL,
                headers = x.headers
            FROM unnest($2::bigint[], $3::jsonb[]) AS x (id, headers)
            WHERE q.id = x.id AND {_OURS}
            """,
            self._worker_id,
            [job_id for job_id, _ in faults],
            [_headers(fault) for _, fault in faults],
        )

    async def release(self) -> None:
        """Let others have at once whatever this worker still has; does not count as a try."""
        await self._database.execute(
            f"""
            UPDATE pgqueuer q SET status = 'queued', updated = now(), queue_manager_id = NULL,
                execute_after = now(), attempts = q.attempts - 1
            WHERE {_OURS}
            """,
            self._worker_id,
        )

    async def delete_old_log(self, *, older_than_s: float, most: int) -> int:
        """Delete old rows of pgqueuer's log of jobs, which nobody reads. Return how many."""
        done = await self._database.execute(
            """
            DELETE FROM pgqueuer_log WHERE id IN (
                SELECT l.id FROM pgqueuer_log l
                WHERE l.created < now() - make_interval(secs => $1) LIMIT $2
            )
            """,
            older_than_s,
            most,
        )
        return int(done.rpartition(" ")[2])


def _job_of(row: asyncpg.Record) -> TakenJob:
    return TakenJob(row["id"], row["entrypoint"], row["payload"], row["attempts"], row["priority"])


def _headers(fault: JobFault) -> str:
    fault = JobFault(_storable(fault.name), _storable(fault.sentence))
    return _encode(_Headers(fault)).decode()


def _storable(text: str) -> str:
    """Return the text with a mark in place of what PostgreSQL takes into no text: the character 0,
    and halves of surrogate pairs.
    """
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def fault_of(headers: str | None) -> JobFault:
    """Return what went wrong last, from a row's headers."""
    return (None if headers is None else _decode_headers(headers).fault) or UNKNOWN
