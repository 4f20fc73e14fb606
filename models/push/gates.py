"""Push gates: what must not be asked for a while, and the jobs that wait until it may be again.

A gate is closed for all workers at once: it is a row while a provider's project, host or origin, or
one device's token, is to be left alone. After `closed_until` one job may try, the probe; whoever
takes it moves `closed_until` on, so that there is one each few seconds. An answer opens the gate.

Jobs that find it closed are parked: rows of `push_parked` and not of the queue, so that nobody
looks at them meanwhile. Once it is open they go back to the queue, spread over some seconds. A view
is parked under a share lock of its gate's row, so that none is parked at a gate that has been
opened.
Gates and what is parked are kept in the database of the queue, which is `queue` here. All times
are PostgreSQL's.
"""

from collections.abc import Mapping, Sequence
from math import ceil

import msgspec

from models.jobs.due import transaction_with_jobs
from models.limits.limits import Limits
from models.postgresql.database import Connection, Database
from models.push.addresses import PushEndpointKind
from models.push.states import PushKey, enqueue_views, job_kind_of, key_of, task_of

# Gates of one look; the others have their turn in the next.
GATES_AT_ONCE = 100
# So many of those parked go at once, however few there are.
LEAST_RELEASED = 100
# An open gate is kept for so long, for those who read that it was closed.
OPEN_KEPT_S = 5.0

_TAKE_OUT = """
WITH x AS MATERIALIZED (
    SELECT gate, user_id, device_id, channel_id FROM push_parked LIMIT $1 FOR UPDATE SKIP LOCKED
)
DELETE FROM push_parked p USING x
WHERE p.gate = x.gate AND p.user_id = x.user_id AND p.device_id = x.device_id
  AND p.channel_id = x.channel_id
RETURNING p.user_id, p.device_id, p.channel_id, p.kind
"""


class Closed(msgspec.Struct, frozen=True):
    """A gate that is to be closed for `after_s` seconds, at the least."""

    key: str
    after_s: float


class Parked(msgspec.Struct, frozen=True):
    """A view whose job waits at a gate."""

    gate: str
    key: PushKey
    kind: PushEndpointKind


async def list_closed(queue: Database, keys: Sequence[str], *, probe_s: float) -> dict[str, bool]:
    """Return which of these gates are closed, and for each whether the caller has the probe: it
    may send one push through it, and then says what came of it.

    Raises:
        Refused: UNAVAILABLE.
    """
    rows = await queue.fetch(
        "SELECT key, closed_until <= now() AS is_due FROM push_gates "
        "WHERE key = ANY ($1) AND opened_at IS NULL",
        list(keys),
    )
    closed = {row["key"]: False for row in rows}
    due = [row["key"] for row in rows if row["is_due"]]
    if due:
        taken = await queue.fetch(
            """
            UPDATE push_gates SET closed_until = now() + make_interval(secs => $2)
            WHERE key = ANY ($1) AND opened_at IS NULL AND closed_until <= now()
            RETURNING key
            """,
            due,
            probe_s,
        )
        closed |= {row["key"]: True for row in taken}
    return closed


async def close_gates(queue: Database, closed: Sequence[Closed]) -> Mapping[str, float]:
    """Close these gates, or keep them closed for longer; never for shorter than they are.

    Returns for how many seconds each has been closed without an answer.

    Raises:
        Refused: UNAVAILABLE.
    """
    after_s: dict[str, float] = {}
    for each in closed:
        after_s[each.key] = max(after_s.get(each.key, 0.0), each.after_s)
    keys = sorted(after_s)
    rows = await queue.fetch(
        """
        INSERT INTO push_gates AS g (key, closed_until, since)
        SELECT x.key, now() + make_interval(secs => x.after_s), now()
        FROM unnest($1::text[], $2::float8[]) AS x (key, after_s)
        ORDER BY x.key
        ON CONFLICT (key) DO UPDATE SET
            closed_until = greatest(g.closed_until, excluded.closed_until),
            since = CASE WHEN g.opened_at IS NULL THEN g.since ELSE excluded.since END,
            opened_at = NULL
        RETURNING g.key, extract(epoch FROM now() - g.since)::float8 AS since_s
        """,
        keys,
        [after_s[key] for key in keys],
    )
    return {row["key"]: row["since_s"] for row in rows}


async def open_gate(queue: Database, key: str) -> None:
    """Open the gate: jobs that are parked there go on.

    Raises:
        Refused: UNAVAILABLE.
    """
    await queue.execute(
        "UPDATE push_gates SET opened_at = now() WHERE key = $1 AND opened_at IS NULL", key
    )


async def park(connection: Connection, parked: Sequence[Parked]) -> None:
    """Let these views wait at their gates, in the caller's transaction, which is the queue's. Where
    the gate has been opened meanwhile, their jobs are queued.
    """
    rows = await connection.fetch(
        "SELECT key FROM push_gates WHERE key = ANY ($1) AND opened_at IS NULL "
        "ORDER BY key FOR SHARE",
        sorted({each.gate for each in parked}),
    )
    closed = {row["key"] for row in rows}
    waiting = [each for each in parked if each.gate in closed]
    await connection.execute(
        """
        INSERT INTO push_parked (gate, user_id, device_id, channel_id, kind)
        SELECT * FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[])
        ON CONFLICT DO NOTHING
        """,
        [each.gate for each in waiting],
        [each.key.user_id for each in waiting],
        [each.key.device_id for each in waiting],
        [each.key.channel_id for each in waiting],
        [each.kind.value for each in waiting],
    )
    await enqueue_views(
        connection, [(each.key, each.kind) for each in parked if each.gate not in closed]
    )


async def look_after_gates(queue: Database, *, limits: Limits, every_s: float) -> int:
    """Send one parked job as the probe through each gate that may be tried, and some of those at
    gates that are open. Returns how many jobs were queued.

    To be called each `every_s` seconds by every worker; each gate is looked after by one of them.

    Raises:
        Refused: UNAVAILABLE.
    """
    rows = await queue.fetch(
        "SELECT key FROM push_gates WHERE opened_at IS NOT NULL OR closed_until <= now() "
        "ORDER BY looked_at NULLS FIRST LIMIT $1",
        GATES_AT_ONCE,
    )
    return sum([await _look_after(queue, row["key"], limits, every_s) for row in rows])


async def _look_after(queue: Database, key: str, limits: Limits, every_s: float) -> int:
    async with queue.transaction() as connection:
        gate = await connection.fetchrow(
            """
            UPDATE push_gates SET looked_at = now()
            WHERE key = $1 AND (opened_at IS NOT NULL OR closed_until <= now())
              AND (looked_at IS NULL OR looked_at < now() - make_interval(secs => $2))
            RETURNING extract(epoch FROM now() - opened_at)::float8 AS open_s
            """,
            key,
            every_s * 0.9,
        )
        if gate is None:
            return 0
        open_s: float | None = gate["open_s"]
        count = await connection.fetchval("SELECT count(*) FROM push_parked WHERE gate = $1", key)
        if count == 0 and (open_s is None or open_s > OPEN_KEPT_S):
            await connection.execute("DELETE FROM push_gates WHERE key = $1", key)
        if count == 0:
            return 0
        most = 1 if open_s is None else find_pace(count, open_s, limits.push_recovery_s, every_s)
        return await release(connection, key, most)


async def move_parked(database: Database, *, most: int) -> int:
    """Queue at most `most` views that are parked in this database, where the queue is in another:
    processes that do not know of it have parked them here. Return how many that was.

    Raises:
        Refused: UNAVAILABLE.
    """
    if database.jobs is None:
        return 0
    async with transaction_with_jobs(database) as (connection, due):
        rows = await connection.fetch(_TAKE_OUT, most)
        for row in rows:
            due.add(job_kind_of(PushEndpointKind(row["kind"])), [task_of(key_of(row))])
    return len(rows)


def find_pace(count: int, open_s: float, recovery_s: float, every_s: float) -> int:
    """Return how many of `count` to let go now, so that the last goes `recovery_s` after the
    gate was opened.
    """
    left_s = max(every_s, recovery_s - open_s)
    return max(LEAST_RELEASED, ceil(count * every_s / left_s))


async def release(connection: Connection, gate: str, most: int) -> int:
    """Queue the jobs of `most` views that are parked at a gate, in the caller's transaction."""
    rows = await connection.fetch(
        # In a join the planner may ask for the limited rows again and again, and all would go.
        """
        WITH x AS MATERIALIZED (
            SELECT user_id, device_id, channel_id FROM push_parked WHERE gate = $1
            LIMIT $2 FOR UPDATE SKIP LOCKED
        )
        DELETE FROM push_parked p USING x
        WHERE p.gate = $1 AND p.user_id = x.user_id AND p.device_id = x.device_id
          AND p.channel_id = x.channel_id
        RETURNING p.user_id, p.device_id, p.channel_id, p.kind
        """,
        gate,
        most,
    )
    keys = [(key_of(row), PushEndpointKind(row["kind"])) for row in rows]
    await enqueue_views(connection, keys)
    return len(rows)
