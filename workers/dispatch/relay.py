"""The relay: dispatches again what its own process did not settle in time. Every process that
dispatches runs one.

Two relays may take the same batch: feeds drop what they have seen, so a repeat is harmless.
"""

import logging

from models.background import Background, Loops
from models.database import Database
from models.log.outbox import delete_settled_batches, list_unsettled_batches
from subscriptions.hub import Hub
from subscriptions.scripts import AWAY
from workers.dispatch.dispatch import Dispatcher

logger = logging.getLogger("parley.dispatch")

UNSETTLED_S = 2.0
RELAY_EVERY_S = 1.0
DELETE_EVERY_S = 5.0
ROUND_BATCHES = 500


class Relay:
    def __init__(
        self,
        database: Database,
        hub: Hub,
        dispatcher: Dispatcher,
        *,
        loops: Loops | None = None,
        every_s: float = RELAY_EVERY_S,
        delete_every_s: float = DELETE_EVERY_S,
    ) -> None:
        self._database = database
        self._hub = hub
        self._dispatcher = dispatcher
        self._every_s = every_s
        self._delete_every_s = delete_every_s
        self._background = Background(loops)

    def start(self) -> None:
        # Spread out, so that several processes rarely take the same batches.
        self._background.every("relay", self._every_s, self._relay_all, jitter=0.5, away=AWAY)
        self._background.every("relay_delete", self._delete_every_s, self._delete, jitter=0.5)

    async def close(self) -> None:
        await self._background.close()

    async def _relay_all(self) -> None:
        while await self._relay():
            continue

    async def _relay(self) -> bool:
        """Dispatch one round again; return True if there may be more to do at once. That is not so
        while a node that was killed still has its lease: its batches would come again and again.
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
        await delete_settled_batches(self._database)
