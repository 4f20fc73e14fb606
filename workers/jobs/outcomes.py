"""Write what becomes of jobs in bulk (done, put off, set aside), and the heartbeats that keep jobs
at hand from being taken by others.

What cannot be written while PostgreSQL is away is written when it is back; until then the job is
still at hand, and is not taken again here.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from models.background import Background, Loops
from models.jobs.queue import JobFault, JobQueue, PutOff
from models.refusals import Refused

logger = logging.getLogger("parley.jobs")

# Long enough to gather what ends together, short beside any job.
GATHER_S = 0.005
AGAIN_S = 0.5
AT_ONCE = 1000

JobOutcome = int | PutOff | tuple[int, JobFault]


class JobOutcomes:
    """`at_hand` are the jobs that were taken and are not yet let go."""

    def __init__(
        self,
        queue: JobQueue,
        *,
        beat_s: float,
        on_put_off: Callable[[float], None],
        on_let_go: Callable[[], None],
        loops: Loops | None = None,
    ) -> None:
        """`on_put_off` is told in how many seconds a job is due that was put off, `on_let_go` that
        jobs are no longer at hand.
        """
        self.at_hand: set[int] = set()
        self._queue = queue
        self._on_put_off = on_put_off
        self._on_let_go = on_let_go
        self._beat_s = beat_s
        self._waiting: list[JobOutcome] = []
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._background = Background(loops)

    def start(self) -> None:
        self._background.whenever(
            "job_outcomes", self._wake, self.write, gather_s=GATHER_S, longest_pause_s=AGAIN_S
        )
        self._background.every("job_beat", self._beat_s, self._beat)

    async def close(self) -> None:
        """Write what waits, and let go of the rest. What cannot be written, others take up."""
        await self._background.close()
        try:
            try:
                await self.write()
            finally:
                await self._queue.release()
        except Exception as error:
            self._background.note("job_outcomes", error)
            logger.warning("The outcome of some jobs could not be written: they run again.")

    def note(self, outcome: JobOutcome) -> None:
        """Note what is to become of a job. A job that is done is noted by its id."""
        self._waiting.append(outcome)
        self._wake.set()

    async def write(self) -> None:
        """Write the outcomes that wait.

        Raises:
            Refused: UNAVAILABLE; what was not written still waits.
        """
        async with self._writing:
            while self._waiting:
                batch = self._waiting[:AT_ONCE]
                try:
                    await self._write_batch(batch)
                except Refused:
                    raise
                except Exception as error:
                    self._background.note("job_outcomes", error)
                    await self._write_apart(batch)
                # Others may have come meanwhile, behind it.
                del self._waiting[: len(batch)]

    async def _write_apart(self, batch: Sequence[JobOutcome]) -> None:
        """Write each by itself: one that cannot be written holds up no other."""
        for place, outcome in enumerate(batch):
            try:
                await self._write_batch([outcome])
            except Refused:
                raise
            except Exception:
                # Those before it are written; it waits behind all others.
                del self._waiting[: place + 1]
                self._waiting.append(outcome)
                raise

    async def _write_batch(self, batch: Sequence[JobOutcome]) -> None:
        done = [each for each in batch if isinstance(each, int)]
        put_off = [each for each in batch if isinstance(each, PutOff)]
        faults = [each for each in batch if isinstance(each, tuple)]
        if done:
            await self._queue.finish(done)
        if put_off:
            await self._queue.put_off(put_off)
            self._on_put_off(min(each.after_s for each in put_off))
        if faults:
            await self._queue.set_aside(faults)
        self.at_hand.difference_update(done)
        self.at_hand.difference_update(each.job_id for each in put_off)
        self.at_hand.difference_update(job_id for job_id, _ in faults)
        self._on_let_go()

    async def _beat(self) -> None:
        if self.at_hand:
            await self._queue.keep(sorted(self.at_hand))
