"""The sweep: deletes rows that have had their day. Any number of processes may sweep; each
statement stands alone.
"""

import asyncio
import logging
import random

from models.database import Database
from models.refusals import Refused
from models.sweeping import delete_ended_rows

logger = logging.getLogger("parley.sweep")

SWEEP_EVERY_S = 60.0


class Sweep:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY_S * random.uniform(0.5, 1.5))
            try:
                await delete_ended_rows(self._database)
            except Refused:
                logger.warning("The sweep waits for PostgreSQL.")
