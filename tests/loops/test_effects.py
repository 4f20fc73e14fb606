"""What loops are for still happens after their work failed once with an error that nobody thought
of.
"""

import asyncio
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

from prometheus_client import CollectorRegistry

from models import ids
from models.devices.devices import revoke_device
from models.devices.sessions import Sessions
from models.devices.viewer import Viewer
from models.duties import Duty
from models.jobs.queue import JobQueue
from models.log.entries import Batch
from models.log.events import ViewerUpdated
from models.postgresql.database import Database
from models.tokens import Tokens
from parley.metrics import Metrics
from subscriptions.feed import Feed
from subscriptions.hub import Hub
from subscriptions.nodes.node import Node
from subscriptions.presence.leases import Leases
from subscriptions.presence.presence import NodePresence
from subscriptions.session_watch import SessionWatch
from subscriptions.viewer_states import ViewerStates
from tests.database.log.test_outbox import make_rows
from tests.loops.failing import Failing, Ground, runs
from tests.loops.test_workers import NobodyElse
from tests.make import Person
from tests.unit.feeds.test_feed import Log
from tests.waiting import eventually
from workers.dispatch.dispatch import Dispatcher
from workers.jobs.outcomes import JobOutcomes
from workers.push.queueing import PushQueue
from workers.sweep import Sweep


class Listener:
    """An open stream, which may fail when it is told something."""

    def __init__(self, *, fails: bool = False) -> None:
        self.over = False
        self._fails = fails

    def session_expiring(self, expires_at: datetime) -> None:
        if self._fails:
            raise ValueError("a bug of a stream")

    def session_over(self) -> None:
        self.over = True
        if self._fails:
            raise ValueError("a bug of a stream")


def viewer_of(person: Person, left_s: float = 3600) -> Viewer:
    expires_at = datetime.now(UTC) + timedelta(seconds=left_s)
    return Viewer(person.user, person.inner_device_id, expires_at)


async def test_a_revocation_ends_streams_after_a_look_that_failed(
    alice: Person, ground: Ground, tokens: Tokens
) -> None:
    watch = SessionWatch(Sessions(ground.failing_database, tokens), notice_s=60, loops=ground.loops)
    failing, other = Listener(fails=True), Listener()
    for listener in (failing, other):
        watch.follow(viewer_of(alice), listener)
    watch.start()
    await eventually(lambda: ground.failing.failed)

    await revoke_device(ground.database, alice.user.id, alice.inner_device_id)

    await eventually(lambda: failing.over and other.over)
    assert ground.loops.failures["session_poll", "unexpected"] == 1
    assert ground.loops.failures["session_listener", "unexpected"] == 1
    await watch.close()


class Ended:
    """Sessions that have all ended, where that can be found out."""

    def __init__(self, failing: Failing) -> None:
        self._failing = failing

    async def find_access_expiry(self, user_id: str, device_id: str) -> None:
        return await self._failing.giving(None)

    async def list_revoked(self, within_s: float) -> list[tuple[str, str]]:
        return []

    def forget(self, device_id: str) -> None:
        return None


async def test_a_session_ends_in_time_after_a_look_that_failed(
    alice: Person, ground: Ground
) -> None:
    sessions = cast(Sessions, Ended(ground.failing))
    watch = SessionWatch(sessions, notice_s=60, loops=ground.loops)
    listener = Listener()
    watch.follow(viewer_of(alice, left_s=0), listener)

    await eventually(lambda: listener.over)

    assert ground.loops.failures["session_check", "unexpected"] == 1
    await watch.close()


async def test_batches_are_settled_after_a_settling_that_failed(ground: Ground) -> None:
    hub = Hub(ground.database, replay_entries=1)
    pushes = PushQueue(ground.database, ground.limits)
    node = cast(Node, NobodyElse())
    dispatcher = Dispatcher(ground.failing_database, hub, node, pushes, loops=ground.loops)
    dispatcher.start()
    lost, kept = await make_rows(ground.database, 2)

    dispatcher.on_commit(Batch(*lost, [], {}))
    await eventually(lambda: ground.failing.failed)
    dispatcher.on_commit(Batch(*kept, [], {}))

    await eventually(lambda: is_settled(ground.database, kept[1]))
    # A relay dispatches it again.
    assert not await is_settled(ground.database, lost[1])
    await dispatcher.close()


async def is_settled(database: Database, outbox_id: str) -> bool:
    return (
        await database.fetchval("SELECT settled_at FROM outbox WHERE id = $1", outbox_id)
        is not None
    )


async def test_who_is_online_is_held_after_a_hold_that_failed(ground: Ground) -> None:
    async with ground.failing_valkey(runs("leases", "leases_hold")) as valkey:
        presence = NodePresence(
            valkey=valkey,
            database=ground.database,
            node_id="here",
            limits=ground.limits,
            on_changed=lambda user_ids: None,
            on_streams_ended=lambda user_id: None,
            on_held_again=lambda: None,
            loops=ground.loops,
        )
        user_id = ids.new_id()
        presence.hold(user_id)
        presence.start()
        others = Leases(valkey, "there")

        async def is_held() -> bool:
            return user_id in (await others.look_up([user_id])).users

        await eventually(is_held)
        assert ground.loops.failures["presence", "unexpected"] == 1
        await presence.close()


async def test_ended_rows_are_deleted_after_a_sweep_that_failed(
    alice: Person, ground: Ground
) -> None:
    await ground.database.execute("UPDATE devices SET revoked_at = now() - interval '1 year'")
    sweep = Sweep(ground.failing_database, loops=ground.loops, every_s=0.01)
    sweep.start()

    async def are_gone() -> bool:
        return not await ground.database.fetchval("SELECT count(*) FROM devices")

    await eventually(are_gone)
    assert ground.loops.failures["sweep", "unexpected"] == 1
    await sweep.close()


async def test_figures_are_read_again_after_a_reading_that_failed(ground: Ground) -> None:
    metrics = Metrics()
    relay = Duty(ground.database, ids.new_id(), ids.new_id(), lease_s=600)
    await relay.take()
    metrics.start(ground.failing_database, ground.background, relay, every_s=0.01)
    await eventually(lambda: ground.failing.failed)

    await eventually(lambda: age_of(metrics.registry) == 0)


def age_of(registry: CollectorRegistry) -> float:
    age = registry.get_sample_value("parley_outbox_oldest_unsettled_seconds")
    return math.nan if age is None else age


async def test_a_viewer_hears_of_changes_after_a_reading_that_failed(
    alice: Person, ground: Ground
) -> None:
    hub = Hub(ground.database, replay_entries=1)
    states = ViewerStates(ground.failing_database, hub, unread_most=1, loops=ground.loops)
    feed = Feed(Log(), alice.user.id, alice.inner_device_id)
    feed.go_live()
    told: list[object] = []
    feed.attach(lambda occurrence: told.append(occurrence.value))
    hub.add(feed)

    states.want(alice.user.id)
    await eventually(lambda: ground.failing.failed)
    states.want(alice.user.id)

    await eventually(lambda: any(isinstance(value, ViewerUpdated) for value in told))
    assert ground.loops.failures["viewer_states", "unexpected"] == 1
    await states.close()


class OneIsPoison:
    """A queue that cannot write that job 2 is done."""

    async def finish(self, job_ids: Sequence[int]) -> None:
        await asyncio.sleep(0)
        if 2 in job_ids:
            raise ValueError("a bug")

    async def release(self) -> None:
        return None


async def test_what_became_of_one_job_that_cannot_be_written_holds_up_no_other(
    ground: Ground,
) -> None:
    outcomes = JobOutcomes(
        cast(JobQueue, OneIsPoison()),
        beat_s=60,
        on_put_off=lambda seconds: None,
        on_let_go=lambda: None,
        loops=ground.loops,
    )
    outcomes.at_hand = {1, 2, 3, 4}
    outcomes.start()
    for job_id in (1, 2, 3):
        outcomes.note(job_id)
    await eventually(lambda: outcomes.at_hand == {2, 4})

    outcomes.note(4)

    await eventually(lambda: outcomes.at_hand == {2})
    await outcomes.close()
