"""The worker process: what happens later. It relays what nobody dispatched, and sweeps what has
ended.
"""

import asyncio
import logging
import signal

from models.database import Database
from parley.resources import open_valkey
from parley.settings import Settings, require_services
from subscriptions.hub import Hub
from subscriptions.node import Node
from workers.dispatch import Dispatcher
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
    database = await Database.open(settings.database_url, connections=4)
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
    dispatcher = Dispatcher(database, hub, node)
    relay = Relay(database, hub, dispatcher)
    sweep = Sweep(database)
    await node.open()
    dispatcher.start()
    relay.start()
    sweep.start()
    logger.info("The worker works.")
    await stop.wait()
    await sweep.close()
    await relay.close()
    await dispatcher.close()
    await node.close()
    await valkey.aclose()
    await database.close()
