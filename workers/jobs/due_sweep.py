"""The sweep of due jobs: queues what a process stored as due and did not queue, because it died or
could not reach the queue (models/jobs/due.py).

Of all workers one sweeps, under a lease. With nothing to do it reads a short index for each bucket.
"""

import asyncio
import logging

from models.background import Background, Loops
from models.duties import Duty
from models.jobs.due import forget_queued, move_queue, queue_left
from models.postgresql.database import Database
from models.push.gates import move_parked

logger = logging.getLogger("parley.jobs")

# The duty's name, and for how long it is held: longer than it takes until it is renewed.
DUE_SWEEP = "due_jobs"
DUE_SWEEP_LEASE_S = 12.0
SWEEP_EVERY_S = 10.0
# Whoever has stored a row queues it at once, or never.
LEFT_AFTER_S = 5.0
# Of each bucket; a row may have thousands of jobs.
ROUND_ROWS = 20
ROUND_JOBS = 500
# A job whose worker has been silent for so long is nobody's.
SILENT_S = 60.0


class DueSweep:
    def __init__(
        self,
        database: Database,
        duty: Duty,
        *,
        loops: Loops | None = None,
        every_s: float = SWEEP_EVERY_S,
        left_after_s: float = LEFT_AFTER_S,
    ) -> None:
        self._database = database
        self._duty = duty
        self._every_s = every_s
        self._left_after_s = left_after_s
        self._background = Background(loops)

    def start(self) -> None:
        self._background.every("due_jobs", self._every_s, self._turn, at_once=True)

    async def close(self) -> None:
        """Leave the duty to another worker at once."""
        await self._background.close()
        try:
            await self._duty.let_go()
        except Exception as error:
            self._background.note("due_jobs", error)

    async def _turn(self) -> None:
        """Wait while another worker has the duty; then queue until nothing is left."""
        await self._duty.wait()
        found = 0
        while rows := await self.sweep():
            found += rows
            await self._duty.take()
            # Others may use the queue in between.
            await asyncio.sleep(0)
        if found:
            logger.info("Queued the jobs of %d rows that were left.", found)
        await forget_queued(self._database)
        await self._move()

    async def _move(self) -> None:
        """Move what processes that do not know of the queue's own database have queued."""
        moved = 0
        while count := (
            await move_queue(self._database, silent_s=SILENT_S, most=ROUND_JOBS)
            + await move_parked(self._database, most=ROUND_JOBS)
        ):
            moved += count
            await self._duty.take()
        if moved:
            logger.info("Moved %d jobs from DATABASE_URL to JOBS_DATABASE_URL.", moved)

    async def sweep(self) -> int:
        """Queue some of what was left, and return how many rows it was.

        Raises:
            Refused: UNAVAILABLE.
        """
        return await queue_left(self._database, older_than_s=self._left_after_s, most=ROUND_ROWS)
