"""The relay: dispatches again what its own process did not settle in time.

Every process that dispatches could, and one of them does: whoever has the duty (models/duties.py).
Two relays may take the same batch for a moment: feeds drop what they have seen, so a repeat is
harmless. What is committed now has the right of way over what the relay found.
"""

import logging
from collections.abc import Sequence

from models.background import Background, Loops
from models.duties import Duty
from models.log.entries import Batch
from models.log.outbox import delete_settled_batches, list_unsettled_batches
from models.postgresql.database import Database
from subscriptions.hub import Hub
from subscriptions.scripts import AWAY
from workers.dispatch.dispatch import ROUND_BATCHES, Dispatcher

logger = logging.getLogger("parley.dispatch")

# The duty's name.
RELAY = "relay"
UNSETTLED_S = 2.0
# Less than the lease, which is renewed with each look.
RELAY_EVERY_S = 1.0
DELETE_EVERY_S = 5.0
LOOK_BATCHES = 500


class Relay:
    def __init__(
        self,
        database: Database,
        hub: Hub,
        dispatcher: Dispatcher,
        duty: Duty,
        *,
        loops: Loops | None = None,
        every_s: float = RELAY_EVERY_S,
        delete_every_s: float = DELETE_EVERY_S,
    ) -> None:
        self._database = database
        self._hub = hub
        self._dispatcher = dispatcher
        self._duty = duty
        self._every_s = every_s
        self._delete_every_s = delete_every_s
        self._background = Background(loops)

    def start(self) -> None:
        self._background.every("relay", self._every_s, self._turn, away=AWAY)
        self._background.every("relay_delete", self._delete_every_s, self._delete)

    async def close(self) -> None:
        """Leave the duty to another process at once."""
        await self._background.close()
        try:
            await self._duty.let_go()
        except Exception as error:
            self._background.note("relay", error)

    async def _turn(self) -> None:
        """Wait while another process has the duty; then look until nothing is left."""
        await self._duty.wait()
        while await self._look():
            await self._duty.take()

    async def _look(self) -> bool:
        """Dispatch what is found; return True if there may be more to do at once. That is not so
        while a node that was killed still has its lease: its batches would come again and again.
        """
        batches = await list_unsettled_batches(
            self._database, older_than_s=UNSETTLED_S, most=LOOK_BATCHES
        )
        if batches:
            logger.info("Dispatching %d batches again.", len(batches))
        try:
            reached = [
                await self._relay(batches[start : start + ROUND_BATCHES])
                for start in range(0, len(batches), ROUND_BATCHES)
            ]
        except AWAY:
            # Another process may reach Valkey.
            await self._duty.let_go()
            raise
        return all(reached) and len(batches) == LOOK_BATCHES

    async def _relay(self, batches: Sequence[Batch]) -> bool:
        await self._dispatcher.give_way()
        for batch in batches:
            self._hub.offer(batch)
        reached = await self._dispatcher.dispatch(batches)
        await self._dispatcher.settle_all()
        return reached

    async def _delete(self) -> None:
        if self._duty.is_held:
            await delete_settled_batches(self._database)
