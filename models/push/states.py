"""Push states: what each device should show of a channel, and the one job that waits to see to it.

A row's `due_at` says that a job waits. Whoever wants a push either finds one waiting, which will
read the log after this, or makes one due in the same transaction (models/jobs/due.py); whoever
begins a job clears `due_at` before it reads. So every message is covered by a job that reads after
it, and at most one waits.
A job that never came (an hour late) counts no longer.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import asyncpg
import msgspec

from models.jobs.due import DueJobs
from models.jobs.jobs import enqueue
from models.limits.limits import Limits
from models.postgresql.database import Connection, Database
from models.postgresql.lanes import fetch_lanes, split_lanes
from models.postgresql.many_rows import ManyRows
from models.push.addresses import PushEndpointKind

logger = logging.getLogger("parley.push")

Value = TypeVar("Value")

# A job that is late by so much is taken for lost, and another is queued.
LOST_S = 3600
# A job that is due within so long is soon enough for what is to be taken back.
SOON_S = 2
# How often a transaction is tried that lost against another over the order of rows.
MOST_TRIES = 5
# Kinds whose pushes can be replaced and taken back.
SHOWN_KINDS = (PushEndpointKind.APNS, PushEndpointKind.FCM, PushEndpointKind.WEB_PUSH)


class Want(msgspec.Struct, frozen=True):
    """A message that a user is to hear of on the devices that follow nothing. `looked`: it was sent
    a while ago, and devices that have it already are not meant. `delivered`: one of the user's
    devices has it, so that nothing is to be written to them.
    """

    user_id: str
    channel_id: str
    seq: int
    looked: bool = False
    delivered: bool = False


class PushKey(msgspec.Struct, frozen=True, order=True):
    """A device's view of one channel."""

    user_id: str
    device_id: str
    channel_id: str


def key_of(row: asyncpg.Record) -> PushKey:
    """Return the view that a row with its three columns is about."""
    return PushKey(row["user_id"], row["device_id"], row["channel_id"])


class PushTask(msgspec.Struct, frozen=True):
    """The payload of a job: whose view of which channel."""

    u: str
    d: str
    c: str

    @property
    def key(self) -> PushKey:
        return PushKey(self.u, self.d, self.c)


def task_of(key: PushKey) -> PushTask:
    """Return the payload of the view's job."""
    return PushTask(key.user_id, key.device_id, key.channel_id)


def job_kind_of(kind: PushEndpointKind) -> str:
    """Each kind has its own, so that a provider that hangs holds up no other."""
    return f"push_{kind.value.lower()}"


def delays_of(limits: Limits) -> dict[PushEndpointKind, float]:
    """Return for how long a message is unread before it is pushed."""
    return {
        PushEndpointKind.EMAIL: limits.push_mail_after_s,
        PushEndpointKind.SMS: limits.push_sms_after_s,
    }


# Whose devices need a job: those with an endpoint and neither a job that waits nor one that has
# seen the message. $1 users, $2 channels, $3 seqs, $7 looked, $8 delivered (parallel), $4 the
# users, each once, $6 the kinds that show.
_WITHOUT_JOB = """
SELECT e.user_id, e.device_id, x.channel_id, x.seq, e.kind,
    x.looked AND NOT x.delivered AS is_late
FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $7::boolean[], $8::boolean[])
    AS x (user_id, channel_id, seq, looked, delivered)
JOIN push_endpoints e ON e.user_id = ANY ($4) AND e.user_id = x.user_id AND e.confirmed
LEFT JOIN push_states w ON w.user_id = ANY ($4) AND w.user_id = e.user_id
    AND w.device_id = e.device_id AND w.channel_id = x.channel_id
WHERE (
    w.user_id IS NULL
    OR w.wanted_seq < x.seq AND (w.due_at IS NULL OR w.due_at < now() - make_interval(secs => $5))
  )
  AND (NOT x.delivered OR e.kind = ANY ($6))
  AND NOT (x.looked AND EXISTS (
    SELECT FROM device_positions p
    WHERE p.user_id = ANY ($4) AND p.user_id = e.user_id AND p.device_id = e.device_id
      AND p.channel_id = x.channel_id AND p.delivered_seq >= x.seq
  ))
ORDER BY e.user_id, e.device_id, x.channel_id
"""

# $6 is before when a job that waits was lost.
_WANT = ManyRows(
    "INSERT INTO push_states AS s (user_id, device_id, channel_id, wanted_seq, due_at)",
    "{user_id}, {device_id}, {channel_id}, {seq}, {due_at}",
    {
        "user_id": "uuid",
        "device_id": "uuid",
        "channel_id": "uuid",
        "seq": "integer",
        "due_at": "timestamptz",
    },
    """
    ON CONFLICT (user_id, device_id, channel_id) DO UPDATE
    SET wanted_seq = excluded.wanted_seq, due_at = excluded.due_at
    WHERE s.wanted_seq < excluded.wanted_seq AND (s.due_at IS NULL OR s.due_at < $6)
    RETURNING s.user_id, s.device_id, s.channel_id
    """,
)


async def want_pushes(database: Database, wants: Sequence[Want], *, limits: Limits) -> int:
    """Queue a job for each device of these users that has none for the channel; how many.

    Safe to repeat: what a job has seen is not queued again.

    Raises:
        Refused: UNAVAILABLE.
    """
    rows = await fetch_lanes(
        database,
        _WITHOUT_JOB,
        wants,
        lambda lane: (
            [want.user_id for want in lane],
            [want.channel_id for want in lane],
            [want.seq for want in lane],
            list({want.user_id for want in lane}),
            LOST_S,
            [kind.value for kind in SHOWN_KINDS],
            [want.looked for want in lane],
            [want.delivered for want in lane],
        ),
        lane_of=lambda want: want.user_id,
    )
    # Those at which nobody knows whether they are alive have some time left.
    now = [row for row in rows if not row["is_late"]]
    late = [row for row in rows if row["is_late"]]
    late_s = max(0.0, limits.push_check_s - limits.push_look_s)
    delays = delays_of(limits)
    late_delays = {kind: max(late_s, delays.get(kind, 0.0)) for kind in PushEndpointKind}
    return await _want(database, now, delays) + await _want(database, late, late_delays)


async def _want(
    database: Database, rows: Sequence[asyncpg.Record], delays: Mapping[PushEndpointKind, float]
) -> int:
    if not rows:
        return 0
    kinds = {key_of(row): PushEndpointKind(row["kind"]) for row in rows}
    # Two wants of a user in one channel are one.
    seqs: dict[PushKey, int] = {}
    for row in rows:
        seqs[key_of(row)] = max(seqs.get(key_of(row), 0), row["seq"])
    now = datetime.now(UTC)
    due = {key: now + timedelta(seconds=delays.get(kinds[key], 0.0)) for key in seqs}
    lost = now - timedelta(seconds=LOST_S)

    async def write(connection: Connection, jobs: DueJobs) -> int:
        queued = await _WANT.write(
            connection,
            [
                (key.user_id, key.device_id, key.channel_id, seq, due[key])
                for key, seq in sorted(seqs.items())
            ],
            lost,
            is_distributed=database.is_distributed,
        )
        views = [(key, kinds[key]) for key in map(key_of, queued)]
        for kind, tasks in _tasks_by_kind(views):
            jobs.add(job_kind_of(kind), tasks, after_s=delays.get(kind, 0.0))
        return len(views)

    return await _write_and_queue(database, write)


View = tuple[PushKey, PushEndpointKind]


async def enqueue_views(connection: Connection, views: Sequence[View]) -> None:
    """Queue a job for each of these views, on a connection of the queue's database."""
    for kind, tasks in _tasks_by_kind(views):
        await enqueue(connection, job_kind_of(kind), tasks)


def _tasks_by_kind(views: Sequence[View]) -> Iterator[tuple[PushEndpointKind, list[PushTask]]]:
    for kind in PushEndpointKind:
        yield kind, [task_of(key) for key, its in views if its is kind]


def _views_of(rows: Sequence[asyncpg.Record]) -> list[View]:
    return [(key_of(row), PushEndpointKind(row["kind"])) for row in rows]


# Only where something is shown, or is about to be by a job that may have read before the change.
# A job that waits for the end of quiet hours, or for a provider, is not waited for.
_UPDATE = """
UPDATE push_states s SET due_at = now()
FROM unnest($1::uuid[], $2::uuid[]) AS x (user_id, channel_id)
JOIN push_endpoints e ON e.user_id = ANY ($3) AND e.user_id = x.user_id AND e.kind = ANY ($4)
WHERE s.user_id = ANY ($3) AND s.user_id = x.user_id AND s.device_id = e.device_id
  AND s.channel_id = x.channel_id
  AND (s.shown_seq > 0 OR s.claimed_at IS NOT NULL)
  AND (s.due_at IS NULL OR s.due_at > now() + make_interval(secs => $6)
       OR s.due_at < now() - make_interval(secs => $5))
RETURNING s.user_id, s.device_id, s.channel_id, e.kind
"""


async def update_pushes(database: Database, places: Sequence[tuple[str, str]]) -> int:
    """Queue a job wherever one of these users is shown something of that channel (user, channel):
    it may be read, deleted, edited or theirs no longer. How many.

    Raises:
        Refused: UNAVAILABLE.
    """

    async def write(connection: Connection, jobs: DueJobs) -> int:
        rows = []
        for lane in split_lanes(database, places, lambda place: place[0]):
            rows += await connection.fetch(
                _UPDATE,
                [user_id for user_id, _ in lane],
                [channel_id for _, channel_id in lane],
                list({user_id for user_id, _ in lane}),
                [kind.value for kind in SHOWN_KINDS],
                LOST_S,
                SOON_S,
            )
        for kind, tasks in _tasks_by_kind(_views_of(rows)):
            jobs.add(job_kind_of(kind), tasks)
        return len(rows)

    return await _write_and_queue(database, write)


# $1 user, $2 device, $3 the kinds whose messages do not have to be unread for a while.
_HASTEN = """
UPDATE push_states s SET due_at = now()
FROM push_endpoints e
WHERE e.user_id = $1 AND e.device_id = $2 AND e.kind = ANY ($3)
  AND s.user_id = $1 AND s.device_id = $2 AND s.due_at > now() + make_interval(secs => $4)
RETURNING s.user_id, s.device_id, s.channel_id, e.kind
"""


async def hasten_pushes(
    connection: Connection, jobs: DueJobs, user_id: str, device_id: str
) -> None:
    """Do now what waits for the end of the device's quiet hours; in the caller's transaction, whose
    jobs these are.
    """
    rows = await connection.fetch(
        _HASTEN, user_id, device_id, [kind.value for kind in SHOWN_KINDS], SOON_S
    )
    for kind, tasks in _tasks_by_kind(_views_of(rows)):
        jobs.add(job_kind_of(kind), tasks)


async def _write_and_queue(
    database: Database, write: Callable[[Connection, DueJobs], Awaitable[Value]]
) -> Value:
    """Write as `write_again` does, and queue the jobs that were added after the commit."""
    jobs = DueJobs()

    async def write_and_store(connection: Connection) -> Value:
        nonlocal jobs
        jobs = DueJobs()
        value = await write(connection, jobs)
        await jobs.store(connection)
        return value

    value = await write_again(database, write_and_store)
    await jobs.queue(database)
    return value


async def write_again(database: Database, write: Callable[[Connection], Awaitable[Value]]) -> Value:
    """Write in a transaction, and again when another won over the order of rows."""
    for _ in range(MOST_TRIES - 1):
        try:
            async with database.transaction() as connection:
                return await write(connection)
        except asyncpg.TransactionRollbackError as error:
            logger.warning("Push states are written again: %s.", type(error).__name__)
    async with database.transaction() as connection:
        return await write(connection)
