"""Lists of jobs for people: count what waits, read what was set aside, try it again or drop it."""

from collections.abc import Sequence

import msgspec

from models.database import Connection, Database
from models.jobs.queue import JobFault, fault_of


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
        SELECT entrypoint, state, count(*) AS count,
            extract(epoch FROM now() - min(since))::float8 AS age_s
        FROM (
            SELECT entrypoint,
                CASE WHEN status = 'picked' THEN 'running' WHEN status = 'failed' THEN 'failed'
                     WHEN execute_after > now() THEN 'later' ELSE 'waiting' END AS state,
                CASE WHEN status = 'queued' THEN execute_after ELSE updated END AS since
            FROM pgqueuer WHERE status IN ('queued', 'picked', 'failed')
        ) j
        GROUP BY 1, 2 ORDER BY 1, 2
        """
    )
    return [
        JobCount(row["entrypoint"], row["state"], row["count"], max(0.0, row["age_s"]))
        for row in rows
    ]


async def list_failed_jobs(database: Database, *, most: int) -> list[FailedJob]:
    """List at most `most` jobs that were set aside, the newest first."""
    rows = await database.fetch(
        """
        SELECT id, entrypoint, attempts, extract(epoch FROM now() - updated)::float8 AS age_s,
            headers
        FROM pgqueuer WHERE status = 'failed' ORDER BY updated DESC, id DESC LIMIT $1
        """,
        most,
    )
    return [
        FailedJob(
            row["id"], row["entrypoint"], row["attempts"], row["age_s"], fault_of(row["headers"])
        )
        for row in rows
    ]


async def list_last_faults(database: Database) -> dict[str, JobFault]:
    """Return what went wrong last, by kind, of jobs that are still there."""
    rows = await database.fetch(
        """
        SELECT DISTINCT ON (entrypoint) entrypoint, headers FROM pgqueuer
        WHERE headers ? 'fault' ORDER BY entrypoint, updated DESC
        """
    )
    return {row["entrypoint"]: fault_of(row["headers"]) for row in rows}


async def retry_jobs(database: Database, job_ids: Sequence[int] | None, kind: str | None) -> int:
    """Queue once more what was set aside, by id or all of a kind; return how many. One whose dedupe
    key waits again already stays where it is.
    """
    async with database.transaction() as connection:
        rows = await connection.fetch(
            """
            SELECT j.id FROM pgqueuer j WHERE j.status = 'failed'
              AND ($1::bigint[] IS NULL OR j.id = ANY ($1))
              AND ($2::text IS NULL OR j.entrypoint = $2)
              AND NOT EXISTS (
                  SELECT FROM pgqueuer o WHERE o.dedupe_key = j.dedupe_key
                  AND (o.status IN ('queued', 'picked') OR (o.status = 'failed' AND o.id > j.id))
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
        UPDATE pgqueuer SET status = 'queued', attempts = 0, updated = now(), execute_after = now(),
            queue_manager_id = NULL
        WHERE id = ANY ($1::bigint[])
        """,
        list(job_ids),
    )


async def drop_jobs(database: Database, job_ids: Sequence[int]) -> int:
    """Delete jobs that were set aside; return how many."""
    done = await database.execute(
        "DELETE FROM pgqueuer WHERE status = 'failed' AND id = ANY ($1::bigint[])", list(job_ids)
    )
    return int(done.rpartition(" ")[2])
