"""Lists of jobs for people: count what waits, read what was set aside, try it again or drop it."""

from collections.abc import Sequence

import msgspec

from models.jobs.queue import JobFault, fault_of
from models.postgresql.database import Connection, Database


class JobCount(msgspec.Struct, frozen=True):
    """Jobs of a kind in a state: waiting, later (due in the future), running or failed. `age_s` is
    that of the oldest: since it was due, taken or set aside; of those that are due later, 0.
    """

    kind: str
    state: str
    count: int
    age_s: float


class FailedJob(msgspec.Struct, frozen=True):
    id: int
    kind: str
    tries: int
    age_s: float
    fault: JobFault


async def list_job_counts(database: Database) -> list[JobCount]:
    rows = await database.fetch(
        """
        SELECT kind, state, count(*) AS count,
            extract(epoch FROM now() - min(since))::float8 AS age_s
        FROM (
            SELECT kind,
                CASE WHEN state = 'running' THEN 'running' WHEN state = 'failed' THEN 'failed'
                     WHEN due_at > now() THEN 'later' ELSE 'waiting' END AS state,
                CASE WHEN state = 'waiting' THEN due_at ELSE changed_at END AS since
            FROM jobs WHERE state IN ('waiting', 'running', 'failed')
        ) j
        GROUP BY 1, 2 ORDER BY 1, 2
        """
    )
    return [
        JobCount(row["kind"], row["state"], row["count"], max(0.0, row["age_s"])) for row in rows
    ]


async def list_failed_jobs(database: Database, *, most: int) -> list[FailedJob]:
    """List at most `most` jobs that were set aside, the newest first."""
    rows = await database.fetch(
        """
        SELECT id, kind, tries, extract(epoch FROM now() - changed_at)::float8 AS age_s,
            fault
        FROM jobs WHERE state = 'failed' ORDER BY changed_at DESC, id DESC LIMIT $1
        """,
        most,
    )
    return [
        FailedJob(row["id"], row["kind"], row["tries"], row["age_s"], fault_of(row["fault"]))
        for row in rows
    ]


async def list_last_faults(database: Database) -> dict[str, JobFault]:
    """Return what went wrong last, by kind, of jobs that are still there."""
    rows = await database.fetch(
        """
        SELECT DISTINCT ON (kind) kind, fault FROM jobs
        WHERE fault IS NOT NULL ORDER BY kind, changed_at DESC
        """
    )
    return {row["kind"]: fault_of(row["fault"]) for row in rows}


async def retry_jobs(database: Database, job_ids: Sequence[int] | None, kind: str | None) -> int:
    """Queue once more what was set aside, by id or all of a kind; return how many. One whose dedupe
    key waits again already stays where it is.
    """
    async with database.transaction() as connection:
        rows = await connection.fetch(
            """
            SELECT j.id FROM jobs j WHERE j.state = 'failed'
              AND ($1::bigint[] IS NULL OR j.id = ANY ($1))
              AND ($2::text IS NULL OR j.kind = $2)
              AND NOT EXISTS (
                  SELECT FROM jobs o WHERE o.dedupe_key = j.dedupe_key
                  AND (o.state IN ('waiting', 'running') OR (o.state = 'failed' AND o.id > j.id))
              )
            FOR UPDATE
            """,
            None if job_ids is None else list(job_ids),
            kind,
        )
        await _queue_again(connection, [row["id"] for row in rows])
    return len(rows)


async def _queue_again(connection: Connection, job_ids: Sequence[int]) -> None:
    await connection.execute(
        """
        UPDATE jobs SET state = 'waiting', tries = 0, changed_at = now(), due_at = now(),
            worker_id = NULL
        WHERE id = ANY ($1::bigint[])
        """,
        list(job_ids),
    )


async def drop_jobs(database: Database, job_ids: Sequence[int]) -> int:
    """Delete jobs that were set aside; return how many."""
    done = await database.execute(
        "DELETE FROM jobs WHERE state = 'failed' AND id = ANY ($1::bigint[])", list(job_ids)
    )
    return int(done.rpartition(" ")[2])
