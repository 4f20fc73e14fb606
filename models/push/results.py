"""Results of push jobs, written for many at once.

Each result ends a claim. A job that is to be done later is queued after that is committed, unless
another waits already. Whoever dies in between has not ended the job that asks for it, which then
runs again.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import ceil

import msgspec

from models.jobs.jobs import enqueue, queue_of
from models.postgresql.database import Connection, Database
from models.postgresql.lanes import split_lanes
from models.push.addresses import PushEndpointKind
from models.push.gates import Parked, park
from models.push.states import PushKey, job_kind_of, key_of, task_of, write_again

# A view that is parked has a job for whoever looks at `due_at`.
PARKED_S = 30 * 24 * 3600.0


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """`seen_seq`: the log as it was read. `shown_seq`: what the device shows now; 0 after it was
    taken back; None where nothing was sent. `shown_edited_at`: as of which edit it is shown.
    """

    key: PushKey
    seen_seq: int = 0
    shown_seq: int | None = None
    shown_edited_at: datetime | None = None


class Later(msgspec.Struct, frozen=True, kw_only=True):
    """A job that is to be done in a while, for the same reason or for what comes meanwhile.
    `failed`: because its provider has. `queue`: as a job of its own, exactly then. `gate`: not
    before this gate is open, whatever `after_s` says.
    """

    key: PushKey
    kind: PushEndpointKind
    after_s: float
    failed: bool = False
    queue: bool = False
    gate: str | None = None
    # Whether this job has claimed the view. If not, the `due_at` there may be its own.
    claimed: bool = True


_WRITE = """
UPDATE push_states s SET
    claimed_at = NULL,
    failures = 0,
    wanted_seq = greatest(s.wanted_seq, x.seen_seq),
    shown_seq = coalesce(x.shown_seq, s.shown_seq),
    shown_at = CASE WHEN x.shown_seq IS NULL THEN s.shown_at ELSE $7::timestamptz END,
    shown_edited_at = CASE WHEN x.shown_seq IS NULL THEN s.shown_edited_at ELSE x.edited_at END
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::integer[], $5::integer[], $6::timestamptz[])
    AS x (user_id, device_id, channel_id, seen_seq, shown_seq, edited_at)
WHERE s.user_id = ANY ($1) AND s.user_id = x.user_id AND s.device_id = x.device_id
  AND s.channel_id = x.channel_id
"""


async def write_results(database: Database, results: Sequence[Result]) -> None:
    """End these jobs' claims, and note what each device has seen and shows.

    Raises:
        Refused: UNAVAILABLE.
    """
    ordered = sorted(results, key=lambda result: result.key)
    now = datetime.now(UTC)

    async def write(connection: Connection) -> None:
        for lane in split_lanes(database, ordered, _user_of):
            await connection.execute(
                _WRITE,
                [r.key.user_id for r in lane],
                [r.key.device_id for r in lane],
                [r.key.channel_id for r in lane],
                [r.seen_seq for r in lane],
                [r.shown_seq for r in lane],
                [r.shown_edited_at for r in lane],
                now,
            )

    await write_again(database, write)


_POSTPONE = """
UPDATE push_states s SET
    due_at = CASE WHEN x.claimed AND s.due_at IS NOT NULL THEN s.due_at
                  ELSE x.due_at END,
    claimed_at = CASE WHEN x.claimed THEN NULL ELSE s.claimed_at END,
    failures = least(s.failures + x.failed::integer, 1000)
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::boolean[], $6::boolean[])
    AS x (user_id, device_id, channel_id, due_at, claimed, failed)
WHERE s.user_id = ANY ($1) AND s.user_id = x.user_id AND s.device_id = x.device_id
  AND s.channel_id = x.channel_id
RETURNING s.user_id, s.device_id, s.channel_id,
    s.due_at = x.due_at AS waits_for_it
"""


async def postpone(database: Database, laters: Sequence[Later]) -> list[bool]:
    """Note that these jobs wait. For each whether it is its caller's to come back with: not where
    it was queued or parked here, where another job waits, and where the view is gone.

    Raises:
        Refused: UNAVAILABLE.
    """
    ordered = sorted(laters, key=lambda later: later.key)
    now = datetime.now(UTC)

    async def write(connection: Connection) -> set[PushKey]:
        rows = []
        for lane in split_lanes(database, ordered, _user_of):
            rows += await connection.fetch(
                _POSTPONE,
                [later.key.user_id for later in lane],
                [later.key.device_id for later in lane],
                [later.key.channel_id for later in lane],
                [
                    now + timedelta(seconds=PARKED_S if later.gate else later.after_s)
                    for later in lane
                ],
                [later.claimed for later in lane],
                [later.failed for later in lane],
            )
        return {key_of(row) for row in rows if row["waits_for_it"]}

    waiting = await write_again(database, write)
    await _queue(queue_of(database), [each for each in ordered if each.key in waiting], now)
    return [later.key in waiting and not later.queue and not later.gate for later in laters]


def _user_of(each: Result | Later) -> str:
    return each.key.user_id


async def _queue(queue: Database, laters: Sequence[Later], now: datetime) -> None:
    """Queue or park those that are not their callers' to come back with."""
    queued = [each for each in laters if each.queue]
    parked = [Parked(each.gate, each.key, each.kind) for each in laters if each.gate]
    if not queued and not parked:
        return
    async with queue.transaction() as connection:
        await _enqueue(connection, queued, now)
        if parked:
            await park(connection, parked)


async def _enqueue(connection: Connection, laters: Sequence[Later], now: datetime) -> None:
    """To the second: quiet hours of many end together. A job that runs again queues the same."""
    together: dict[tuple[PushEndpointKind, int], list[PushKey]] = {}
    for later in laters:
        together.setdefault((later.kind, ceil(later.after_s)), []).append(later.key)
    for (kind, after_s), keys in together.items():
        job_kind, due_s = job_kind_of(kind), ceil(now.timestamp() + after_s)
        await enqueue(
            connection,
            job_kind,
            [task_of(key) for key in keys],
            after_s=after_s,
            dedupe_keys=[f"{job_kind}:{key.device_id}:{key.channel_id}:{due_s}" for key in keys],
        )
