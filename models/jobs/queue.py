"""The queue as workers have it: jobs are taken, kept alive, put off, set aside or done.

- A job is running while its worker shows so (`seen_at`); one whose worker is silent is taken by
  another. `failed` is set aside for a person.
- `tries` is raised by the statement that takes a job, so that a job which kills its worker is
  counted as well as one that raises.
- Jobs of a kind go by when they were due. Where owners take turns (models/jobs/jobs.py), the index
  by owner finds the next one's oldest job.
Ages and times are PostgreSQL's. `fault` keeps the last error: its class and a sentence of ours.
"""

import asyncio
from collections.abc import Callable, Sequence

import asyncpg
import msgspec

from models.jobs.jobs import LAST_TURN, QUEUED_CHANNEL
from models.postgresql.database import CONNECTION_ERRORS, Database, connect
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


_encode = msgspec.json.Encoder().encode
_decode_fault = msgspec.json.Decoder(JobFault).decode
UNKNOWN = JobFault("Unknown", "Nothing was noted.")

# $1 kinds, $2 seconds of silence, $3 those at hand.
_DUE = """
SELECT k.kind,
    EXISTS (SELECT FROM jobs j WHERE j.state = 'waiting' AND j.kind = k.kind
            AND j.due_at <= now()) AS is_due,
    (SELECT extract(epoch FROM min(j.due_at) - now())::float8 FROM jobs j
     WHERE j.state = 'waiting' AND j.kind = k.kind AND j.due_at > now()) AS due_in_s,
    EXISTS (SELECT FROM jobs j WHERE j.state = 'running' AND j.kind = k.kind
            AND j.seen_at < now() - make_interval(secs => $2) AND j.id <> ALL ($3)
    ) AS is_left_behind
FROM unnest($1::text[]) AS k (kind)
"""
_TAKE = """
WITH found AS ({found})
UPDATE jobs q SET state = 'running', changed_at = now(), seen_at = now(),
    worker_id = $1, tries = q.tries + 1
FROM found WHERE q.id = found.id
RETURNING q.id, q.kind, q.payload, q.tries, q.turn
"""
# $1 worker, $2 kind, $3 how many.
_TAKE_DUE = _TAKE.format(
    found="""
    SELECT j.id FROM jobs j
    WHERE j.kind = $2 AND j.state = 'waiting' AND j.due_at <= now()
    ORDER BY j.due_at LIMIT $3 FOR UPDATE SKIP LOCKED
    """
)
# $1 worker, $2 kind, $3 above the next owner's number, $4 how many of an owner run at most.
_TAKE_NEXT = _TAKE.format(
    found="""
    SELECT j.id FROM jobs j
    WHERE j.kind = $2 AND j.state = 'waiting' AND j.due_at <= now()
      AND j.turn < $3
      AND j.turn <> ALL (ARRAY(
          SELECT p.turn FROM jobs p WHERE p.kind = $2 AND p.state = 'running'
          GROUP BY p.turn HAVING count(*) >= $4
      ))
    ORDER BY j.turn DESC, j.id LIMIT 1 FOR UPDATE SKIP LOCKED
    """
)
# $1 worker, $2 kind, $3 seconds of silence, $4 those at hand, $5 how often they were taken at most,
# $6 how many.
_TAKE_LEFT_BEHIND = _TAKE.format(
    found="""
    SELECT j.id FROM jobs j
    WHERE j.kind = $2 AND j.state = 'running'
      AND j.seen_at < now() - make_interval(secs => $3) AND j.id <> ALL ($4)
      AND j.tries <= $5
    ORDER BY j.seen_at LIMIT $6 FOR UPDATE SKIP LOCKED
    """
)
_OURS = "q.state = 'running' AND q.worker_id = $1"


class JobQueue:
    """The queue, for one worker (`worker_id`). All of it refuses with UNAVAILABLE while PostgreSQL
    is away or busy.
    """

    def __init__(self, database: Database, worker_id: str) -> None:
        self._database = database
        self._worker_id = worker_id

    @classmethod
    async def open(cls, database_url: str, worker_id: str) -> "JobQueue":
        """Open the queue on its own connections: no job's statements keep heartbeats waiting. Its
        database may be away.
        """
        return cls(await Database.open_later(database_url, connections=3), worker_id)

    async def close(self) -> None:
        await self._database.close()

    async def listen(self, on_queued: Callable[[], None]) -> None:
        """Tell whenever jobs are queued, until the connection ends. Jobs that became due again are
        not told.
        """

        ended = asyncio.Event()
        try:
            connection = await connect(self._database.url)
            connection.add_termination_listener(lambda _: ended.set())
            try:
                await connection.add_listener(QUEUED_CHANNEL, lambda *_: on_queued())
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
            UPDATE jobs SET seen_at = now() WHERE id IN (
                SELECT q.id FROM jobs q WHERE q.id = ANY ($2::bigint[]) AND {_OURS}
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
            f"DELETE FROM jobs q WHERE q.id = ANY ($2::bigint[]) AND {_OURS}",
            self._worker_id,
            list(job_ids),
        )

    async def put_off(self, jobs: Sequence[PutOff]) -> None:
        """Queue these jobs again, each for its own time."""
        await self._database.execute(
            f"""
            UPDATE jobs q SET state = 'waiting', changed_at = now(), worker_id = NULL,
                due_at = now() + make_interval(secs => x.after_s),
                tries = q.tries - x.given_back, fault = coalesce(x.fault, q.fault)
            FROM unnest($2::bigint[], $3::float8[], $4::integer[], $5::jsonb[])
                AS x (id, after_s, given_back, fault)
            WHERE q.id = x.id AND {_OURS}
            """,
            self._worker_id,
            [job.job_id for job in jobs],
            [job.after_s for job in jobs],
            [0 if job.counts else 1 for job in jobs],
            [None if job.fault is None else _encode_fault(job.fault) for job in jobs],
        )

    async def set_aside(self, faults: Sequence[tuple[int, JobFault]]) -> None:
        """Keep these jobs, by id, for a person to look at."""
        await self._database.execute(
            f"""
            UPDATE jobs q SET state = 'failed', changed_at = now(), worker_id = NULL,
                fault = x.fault
            FROM unnest($2::bigint[], $3::jsonb[]) AS x (id, fault)
            WHERE q.id = x.id AND {_OURS}
            """,
            self._worker_id,
            [job_id for job_id, _ in faults],
            [_encode_fault(fault) for _, fault in faults],
        )

    async def release(self) -> None:
        """Let others have at once whatever this worker still has; does not count as a try."""
        await self._database.execute(
            f"""
            UPDATE jobs q SET state = 'waiting', changed_at = now(), worker_id = NULL,
                due_at = now(), tries = q.tries - 1
            WHERE {_OURS}
            """,
            self._worker_id,
        )


def _job_of(row: asyncpg.Record) -> TakenJob:
    return TakenJob(row["id"], row["kind"], row["payload"], row["tries"], row["turn"])


def _encode_fault(fault: JobFault) -> str:
    return _encode(JobFault(_storable(fault.name), _storable(fault.sentence))).decode()


def _storable(text: str) -> str:
    """Return the text with a mark in place of what PostgreSQL takes into no text: the character 0,
    and halves of surrogate pairs.
    """
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def fault_of(fault: str | None) -> JobFault:
    """Return what went wrong last, from a row."""
    return UNKNOWN if fault is None else _decode_fault(fault)
