"""Loops of jobs, pushes, dispatch and sweeps go on after an error that nobody thought of."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar, cast

import pytest

from models import ids
from models.duties import Duty
from models.jobs.queue import Due, JobQueue, TakenJob
from models.limits.limits import Limits
from models.log.entries import Batch, Recipients
from models.log.signals import Signalled
from models.messages.search_index import BLOCK_ENTRIES
from models.push.states import PushKey, Want
from models.users.profiles import Profiles
from parley.metrics import Metrics
from parley.worker.job_metrics import JobMetrics
from subscriptions.activity import Activity
from subscriptions.hub import Hub
from subscriptions.nodes.node import Node
from tests.loops.failing import Cases, Failing, Ground, Trigger, goes_on, nothing
from tests.unit.feeds.test_feed import live_entry
from workers.dispatch.dispatch import Dispatcher
from workers.dispatch.indexing import Indexing
from workers.dispatch.relay import Relay
from workers.jobs.due_sweep import DueSweep
from workers.jobs.runner import Jobs
from workers.push.check import PushCheck
from workers.push.claim_renewal import ClaimRenewal
from workers.push.gates import Gates
from workers.push.queueing import PushQueue
from workers.sweep import Sweep

SOON_S = 0.01


@asynccontextmanager
async def sweep(ground: Ground) -> AsyncIterator[Trigger]:
    part = Sweep(ground.failing_database, loops=ground.loops, every_s=SOON_S)
    part.start()
    yield nothing
    await part.close()


@asynccontextmanager
async def due_jobs(ground: Ground) -> AsyncIterator[Trigger]:
    part = DueSweep(ground.failing_database, duty(ground), loops=ground.loops, every_s=SOON_S)
    part.start()
    yield nothing
    await part.close()


@asynccontextmanager
async def indexing(ground: Ground) -> AsyncIterator[Trigger]:
    part = Indexing(ground.failing_database, loops=ground.loops)
    part.start()

    async def trigger() -> None:
        part.on_commit(Batch("", "", [live_entry(ids.new_id(), BLOCK_ENTRIES).entry], {}))

    yield trigger
    await part.close()


def duty(ground: Ground) -> Duty:
    """A duty that nobody else has."""
    return Duty(ground.database, ids.new_id(), ids.new_id(), lease_s=60)


@asynccontextmanager
async def relay(
    ground: Ground, every_s: float = SOON_S, delete_every_s: float = 60
) -> AsyncIterator[Trigger]:
    """With nothing to be dispatched."""
    database, held = ground.failing_database, duty(ground)
    await held.take()
    part = Relay(
        database,
        Hub(database, replay_entries=1),
        cast(Dispatcher, None),
        held,
        loops=ground.loops,
        every_s=every_s,
        delete_every_s=delete_every_s,
    )
    part.start()
    yield nothing
    await part.close()


def relay_delete(ground: Ground) -> Any:
    return relay(ground, every_s=60, delete_every_s=SOON_S)


# -------------------------------------------------------------------- dispatch


class NobodyElse:
    """A node that is the only one."""

    id = "here"
    readers: ClassVar[dict[str, int]] = {}

    def __init__(self, failing: Failing | None = None) -> None:
        self._failing = failing

    async def look_up(self, user_ids: Sequence[str]) -> dict[str, list[str]]:
        if self._failing is not None:
            self._failing.call()
        return {user_id: [] for user_id in user_ids}

    async def publish(self, by_node: Mapping[str, Sequence[Batch]]) -> set[str]:
        assert not by_node
        return set()

    async def publish_signals(self, by_node: Mapping[str, Sequence[Signalled]]) -> None:
        assert not by_node


def some_batch() -> Batch:
    return Batch(ids.new_id(), ids.new_id(), [], {"": Recipients([ids.new_id()], [1])})


@asynccontextmanager
async def dispatching(ground: Ground, *, settles: bool) -> AsyncIterator[Trigger]:
    """Either looking up fails, or settling."""
    database = ground.failing_database if settles else ground.database
    node = NobodyElse(None if settles else ground.failing)
    hub = Hub(ground.database, replay_entries=1)
    pushes = PushQueue(ground.database, ground.limits)
    part = Dispatcher(database, hub, cast(Node, node), pushes, loops=ground.loops)
    part.start()

    async def trigger() -> None:
        part.on_commit(some_batch())

    yield trigger
    await part.close()


def dispatch(ground: Ground) -> Any:
    return dispatching(ground, settles=False)


def settle(ground: Ground) -> Any:
    return dispatching(ground, settles=True)


# -------------------------------------------------------------------- pushes


@asynccontextmanager
async def push_check(ground: Ground) -> AsyncIterator[Trigger]:
    part = PushCheck(ground.failing_database, ground.limits, loops=ground.loops, every_s=SOON_S)
    part.start()
    yield nothing
    await part.close()


@asynccontextmanager
async def push_queue(ground: Ground) -> AsyncIterator[Trigger]:
    part = PushQueue(ground.failing_database, ground.limits, loops=ground.loops)
    part.start()

    async def trigger() -> None:
        part.want([Want(ids.new_id(), ids.new_id(), 1)], lambda: None)

    yield trigger
    await part.close()


@asynccontextmanager
async def push_gates(ground: Ground) -> AsyncIterator[Trigger]:
    part = Gates(ground.failing_database, short_leases(ground.limits), loops=ground.loops)
    part.start()
    yield nothing
    await part.close()


@asynccontextmanager
async def push_claims(ground: Ground) -> AsyncIterator[Trigger]:
    part = ClaimRenewal(ground.failing_database, short_leases(ground.limits), loops=ground.loops)
    part.start()
    async with part.renewing([PushKey(ids.new_id(), ids.new_id(), ids.new_id())]):
        yield nothing
    await part.close()


@asynccontextmanager
async def activity(ground: Ground) -> AsyncIterator[Trigger]:
    async with ground.failing_valkey(lambda args: args[0] == "SET") as valkey:
        part = Activity(valkey, ground.limits, loops=ground.loops, every_s=SOON_S)
        part.start()

        async def trigger() -> None:
            part.note(ids.new_id(), ids.new_id())

        yield trigger
        await part.close()


def short_leases(limits: Limits) -> Limits:
    return replace(limits, push_claim_s=SOON_S, push_probe_s=SOON_S)


# -------------------------------------------------------------------- profiles


@asynccontextmanager
async def profiles(ground: Ground) -> AsyncIterator[Trigger]:
    part = Profiles(ground.failing_database, loops=ground.loops, poll_s=SOON_S)
    part.start()
    yield nothing
    await part.close()


# -------------------------------------------------------------------- metrics


@asynccontextmanager
async def metrics(ground: Ground) -> AsyncIterator[Trigger]:
    held = duty(ground)
    await held.take()
    Metrics().start(ground.failing_database, ground.background, held, every_s=SOON_S)
    yield nothing


@asynccontextmanager
async def job_metrics(ground: Ground) -> AsyncIterator[Trigger]:
    part = JobMetrics(Metrics())
    part.start(ground.failing_database, ground.background, duty(ground), every_s=SOON_S)
    yield nothing


# -------------------------------------------------------------------- jobs


class OneJob:
    """A queue with one job, of which one method is failing."""

    def __init__(self, failing: Failing, fails: str) -> None:
        self._failing = failing
        self._fails = fails
        self._taken = False

    async def find_due(self, kinds: Sequence[str], **_: object) -> dict[str, Due]:
        self._call("find_due")
        return {kind: Due(not self._taken, None, False) for kind in kinds}

    async def take_due(self, kind: str, most: int) -> list[TakenJob]:
        taken, self._taken = self._taken, True
        return [] if taken else [TakenJob(1, kind, b"", 1)]

    async def listen(self, on_queued: object) -> None:
        self._call("listen")
        await asyncio.Event().wait()

    async def keep(self, job_ids: Sequence[int]) -> None:
        self._call("keep")

    async def finish(self, job_ids: Sequence[int]) -> None:
        self._call("finish")

    async def release(self) -> None:
        return None

    def _call(self, method: str) -> None:
        if method == self._fails:
            self._failing.call()


@asynccontextmanager
async def jobs(ground: Ground, fails: str) -> AsyncIterator[Trigger]:
    queue = OneJob(ground.failing, fails)
    part = Jobs(cast(JobQueue, queue), silent_s=4 * SOON_S, loops=ground.loops)

    async def run(job: TakenJob) -> None:
        if fails == "keep":
            await asyncio.Event().wait()

    part.register("kind", run, concurrency=1, most_tries=1, deadline_s=60)
    part.start()
    yield lambda: looked(part)
    await part.close(within_s=0)


async def looked(part: Jobs) -> None:
    part._look_now()


def of_jobs(fails: str) -> Any:
    return lambda ground: jobs(ground, fails)


CASES: Cases = {
    "sweep": sweep,
    "due_jobs": due_jobs,
    "indexing": indexing,
    "relay": relay,
    "relay_delete": relay_delete,
    "dispatch": dispatch,
    "settle": settle,
    "push_check": push_check,
    "push_queue": push_queue,
    "push_gates": push_gates,
    "push_claims": push_claims,
    "activity": activity,
    "profiles": profiles,
    "metrics": metrics,
    "job_metrics": job_metrics,
    "jobs_take": of_jobs("find_due"),
    "jobs_listen": of_jobs("listen"),
    "job_outcomes": of_jobs("finish"),
    "job_beat": of_jobs("keep"),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_loop_goes_on(name: str, ground: Ground) -> None:
    await goes_on(name, ground, CASES[name])
