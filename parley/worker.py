"""The worker process: what happens later. It runs jobs, relays what nobody dispatched, and sweeps
what has ended.

At SIGTERM it takes no more jobs, lets those that run end for a moment, and leaves the rest to
others.
"""

import asyncio
import logging
import signal

from models.database import Database
from parley.job_metrics import JobMetrics
from parley.metrics import Metrics
from parley.resources import open_valkey
from parley.settings import Settings, require_services
from parley.worker_jobs import WorkerJobs
from subscriptions.hub import Hub
from subscriptions.node import Node
from workers.dispatch import Dispatcher
from workers.push.check import PushCheck
from workers.push.queueing import PushQueue
from workers.relay import Relay
from workers.sweep import Sweep

logger = logging.getLogger("parley.worker")


async def run_worker(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT."""
    require_services(settings)
    assert settings.database_url is not None
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    database = await Database.open(settings.database_url, connections=8)
    valkey = open_valkey(settings)
    # A node without feeds: it only looks up and publishes.
    hub = Hub(database, replay_entries=settings.limits.replay_entries)
    node = Node(
        valkey=valkey,
        database=database,
        hub=hub,
        on_repaired=lambda: None,
        on_signals=lambda _: None,
    )
    pushes = PushQueue(database, settings.limits)
    dispatcher = Dispatcher(database, hub, node, pushes)
    relay = Relay(database, hub, dispatcher)
    sweep = Sweep(database)
    check = PushCheck(database, settings.limits)
    metrics = Metrics()
    job_metrics = JobMetrics(metrics)
    jobs = await WorkerJobs.open(settings, database, dispatcher.on_commit, job_metrics)
    await node.open()
    pushes.start()
    dispatcher.start()
    relay.start()
    sweep.start()
    check.start()
    await jobs.start(database)
    watching = [
        asyncio.create_task(metrics.watch(database)),
        asyncio.create_task(job_metrics.watch(database)),
    ]
    if settings.metrics_port is not None:
        metrics.serve(settings.metrics_port, settings.host)
    logger.info("The worker works.")
    await stop.wait()
    for task in watching:
        task.cancel()
    await jobs.close()
    await check.close()
    await sweep.close()
    await relay.close()
    await dispatcher.close()
    await pushes.close()
    await node.close()
    await valkey.aclose()
    await database.close()
