"""The relay: dispatches again what its own process did not settle in time. Every process that
dispatches runs one.

Two relays may take the same batch: feeds drop what they have seen, so a repeat is harmless.
"""

import asyncio
import logging
import random

from models.database import Database
from models.outbox import delete_settled_batches, list_unsettled_batches
from models.refusals import Refused
from subscriptions.broker import AWAY
from subscriptions.hub import Hub
from workers.dispatch import Dispatcher

logger = logging.getLogger("parley.dispatch")

UNSETTLED_S = 2.0
RELAY_EVERY_S = 1.0
DELETE_EVERY_S = 5.0
ROUND_BATCHES = 500


class Relay:
    def __init__(self, database: Database, hub: Hub, dispatcher: Dispatcher) -> None:
        self._database = database
        self._hub = hub
        self._dispatcher = dispatcher
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._delete())]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            # Spread out, so that several processes rarely take the same batches.
            await asyncio.sleep(RELAY_EVERY_S * random.uniform(0.5, 1.5))
            try:
                while await self._relay():
                    continue
            except (*AWAY, Refused) as error:
                logger.warning("The relay waits: %s.", type(error).__name__)
            except Exception as error:
                # One bad row must not end it for good.
                logger.error("The relay failed, and goes on: %s.", type(error).__name__)

    async def _relay(self) -> bool:
        """Whether to go on at once. Not with a node that was killed, and whose lease still lives:
        its batches would come again and again.
        """
        batches = await list_unsettled_batches(
            self._database, older_than_s=UNSETTLED_S, most=ROUND_BATCHES
        )
        if not batches:
            return False
        logger.info("Dispatching %d batches again.", len(batches))
        for batch in batches:
            self._hub.offer(batch)
        reached = await self._dispatcher.dispatch(batches)
        await self._dispatcher.settle_all()
        return reached and len(batches) == ROUND_BATCHES

    async def _delete(self) -> None:
        while True:
            await asyncio.sleep(DELETE_EVERY_S * random.uniform(0.5, 1.5))
            try:
                await delete_settled_batches(self._database)
            except Refused:
                logger.warning("Settled batches are deleted later.")
