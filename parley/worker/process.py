"""The worker process: what happens later. It runs jobs, relays what nobody dispatched, and sweeps
what has ended.

At SIGTERM it takes no more jobs, lets those that run end for a moment, and leaves the rest to
others.
"""

import asyncio
import logging
import signal
from collections.abc import Callable

from models.background import Background, CannotGoOn, Loops
from models.duties import Duty
from models.log.signals import Signalled, ViewerChanged
from models.postgresql.database import Database
from parley.metrics import Metrics
from parley.opening import open_database, require_database
from parley.parts import Parts
from parley.settings import Settings, require_services
from parley.worker.health import Health
from parley.worker.job_metrics import JOB_FIGURES, JOB_FIGURES_LEASE_S, JobMetrics
from parley.worker.jobs import WorkerJobs
from subscriptions.activity import ActiveDevices
from subscriptions.hub import Hub
from subscriptions.nodes.node import Node
from subscriptions.nodes.opening import open_valkey
from subscriptions.signaller import Signaller
from subscriptions.viewer_states import ViewerStates
from workers.dispatch.dispatch import Dispatcher
from workers.dispatch.relay import RELAY, Relay
from workers.jobs.due_sweep import DUE_SWEEP, DUE_SWEEP_LEASE_S, DueSweep
from workers.push.check import PushCheck
from workers.push.queueing import PushQueue
from workers.push.registration import PushTies
from workers.sweep import Sweep

logger = logging.getLogger("parley.worker")

WORKER_CONNECTIONS = 8


async def run_worker(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT.

    Raises:
        CannotGoOn: a loop ended that must go on; the worker is to be started again.
        SettingsError: files cannot be decoded here as the settings want.
    """
    require_services(settings)
    stop = asyncio.Event()
    loops = Loops(on_end=stop.set)
    async with Parts() as parts:
        _set_on_signals(stop, parts)
        works = asyncio.Event()
        if settings.own_port:
            health = parts.add(Health(lambda: works.is_set() and loops.can_go_on))
            await health.open(settings.own_host, settings.own_port)
        if await _is_there(settings, stop):
            await open_worker(settings, loops, parts)
            works.set()
            logger.info("The worker works.")
            await stop.wait()
    if not loops.can_go_on:
        raise CannotGoOn


async def _is_there(settings: Settings, stop: asyncio.Event) -> bool:
    """Wait for PostgreSQL; return False when told to stop meanwhile."""
    waiting = asyncio.create_task(require_database(settings))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            return False
        waiting.result()
        return True
    finally:
        for task in (waiting, stopping):
            task.cancel()
        await asyncio.wait({waiting, stopping})


def _set_on_signals(stop: asyncio.Event, parts: Parts) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
        parts.callback(loop.remove_signal_handler, number)


async def open_worker(settings: Settings, loops: Loops, parts: Parts) -> None:
    """Open what a worker is made of, and have it begin."""
    assert settings.redis_url is not None
    limits = settings.limits
    database = await open_database(settings, parts, connections=WORKER_CONNECTIONS)
    valkey = open_valkey(settings.redis_url)
    parts.push_async_callback(valkey.aclose)
    # A node without feeds: it only looks up and publishes.
    hub = parts.add(Hub(database, replay_entries=limits.replay_entries, loops=loops))
    node = parts.add(
        Node(
            valkey=valkey,
            database=database,
            hub=hub,
            on_repaired=lambda: None,
            on_signals=lambda _: None,
            loops=loops,
        )
    )
    await node.open()
    pushes = parts.start(PushQueue(database, limits, loops=loops))
    dispatcher = parts.start(Dispatcher(database, hub, node, pushes, loops=loops))
    relay = Duty(database, RELAY, node.id)
    parts.start(Relay(database, hub, dispatcher, relay, loops=loops))
    parts.start(Sweep(database, loops=loops))
    due_sweep = Duty(database, DUE_SWEEP, node.id, lease_s=DUE_SWEEP_LEASE_S)
    parts.start(DueSweep(database, due_sweep, loops=loops))
    parts.start(PushCheck(database, limits, loops=loops))
    metrics = parts.add(Metrics())
    job_metrics = JobMetrics(metrics)
    background = parts.add(Background(loops))
    metrics.start(database, background, relay)
    job_metrics.start(
        database, background, Duty(database, JOB_FIGURES, node.id, lease_s=JOB_FIGURES_LEASE_S)
    )
    metrics.show_loops(loops)
    ties = PushTies(
        ActiveDevices(valkey).list_active, _open_forgotten(database, hub, node, loops, parts)
    )
    jobs = parts.add(
        await WorkerJobs.open(settings, database, dispatcher.on_commit, job_metrics, loops, ties)
    )
    await jobs.start(database)
    if settings.metrics_port is not None:
        # Those before it are the API processes', which may run on the same machine.
        metrics.serve(settings.metrics_port + settings.api_processes, settings.metrics_host)


def _open_forgotten(
    database: Database, hub: Hub, node: Node, loops: Loops, parts: Parts
) -> Callable[[str], None]:
    """Open what tells a user's streams that the endpoint of one of their devices is gone."""
    # This node has no streams, so there is nothing to be read for them.
    states = parts.add(ViewerStates(database, hub, unread_most=1, loops=loops))
    signaller = parts.add(Signaller(hub, states, on_viewer_changed=lambda _: None, loops=loops))
    signaller.start(node)
    return lambda user_id: signaller.announce([Signalled(ViewerChanged(), [user_id])])
