"""One attempt at a job: run it within its deadline, and note what becomes of it."""

import asyncio
import logging
import random
import time

from models.jobs.queue import JobFault, PutOff, TakenJob
from models.refusals import RefusalCode, Refused
from workers.jobs.kinds import JobKind, RetryLater, SetAside, Watcher, fault_of
from workers.jobs.outcomes import JobOutcomes

logger = logging.getLogger("parley.jobs")

# How soon a job whose PostgreSQL, Valkey or storage was away is tried again.
UNAVAILABLE_S = 3.0
LONGEST_BACKOFF_S = 300.0
DIED = JobFault("WorkerDied", "The worker died each time that it ran this job.")


class JobAttempts:
    """Notes in `outcomes` whether a job is done, put off or set aside."""

    def __init__(self, outcomes: JobOutcomes, watcher: Watcher | None) -> None:
        self._outcomes = outcomes
        self._watcher = watcher
        self._stopping = False

    def stop(self) -> None:
        """Note nothing of jobs that are cancelled from now on: another worker runs them again."""
        self._stopping = True

    async def run(self, kind: JobKind, job: TakenJob) -> None:
        """Try the job once, note its outcome, and tell the watcher of it."""
        began = time.monotonic()
        outcome = "stopped"
        try:
            if job.tries > kind.most_tries:
                outcome = "died"
                await self._set_aside(kind, job, DIED)
            else:
                outcome = await self._try(kind, job)
        finally:
            if self._watcher is not None:
                self._watcher.note(kind.name, outcome, job.tries, time.monotonic() - began)

    async def _try(self, kind: JobKind, job: TakenJob) -> str:
        """Return the outcome, as the watcher is told it."""
        try:
            async with asyncio.timeout(kind.deadline_s):
                await kind.run(job)
        except RetryLater as later:
            self._put_off(job, later.after_s, JobFault("RetryLater", later.why))
            return "later"
        except SetAside as given_up:
            await self._set_aside(kind, job, JobFault("SetAside", given_up.why))
            return "failed"
        except (Exception, asyncio.CancelledError) as error:
            if self._stopping:
                # The job is let go with all others that are still at hand.
                return "stopped"
            if isinstance(error, Refused) and error.code is RefusalCode.UNAVAILABLE:
                self._put_off(job, UNAVAILABLE_S, JobFault("Unavailable", error.reason))
                return "unavailable"
            return await self._fail(kind, job, error)
        self._outcomes.note(job.id)
        return "done"

    async def _fail(self, kind: JobKind, job: TakenJob, error: BaseException) -> str:
        fault = fault_of(error)
        logger.warning(
            "A job failed", extra={"kind": kind.name, "tries": job.tries, "error": fault.name}
        )
        if job.tries >= kind.most_tries:
            await self._set_aside(kind, job, fault)
            return "failed"
        after_s = min(kind.backoff_s * 2 ** (job.tries - 1), LONGEST_BACKOFF_S)
        self._put_off(job, after_s, fault, counts=True)
        return "retried"

    def _put_off(
        self, job: TakenJob, after_s: float, fault: JobFault, *, counts: bool = False
    ) -> None:
        """Put the job off, by up to a quarter longer: jobs that failed together come back apart."""
        spread_s = after_s * random.uniform(1.0, 1.25)
        self._outcomes.note(PutOff(job.id, spread_s, counts, fault))

    async def _set_aside(self, kind: JobKind, job: TakenJob, fault: JobFault) -> None:
        logger.error(
            "A job is set aside: look at it with `python -m parley jobs`",
            extra={"kind": kind.name, "job": job.id, "error": fault.name},
        )
        if kind.on_set_aside is not None:
            try:
                await kind.on_set_aside(job)
            except Exception as error:
                # `on_set_aside` is told again when the job is taken the next time.
                logger.error("A job is not set aside yet: %s.", type(error).__name__)
                self._put_off(job, UNAVAILABLE_S, fault, counts=True)
                return
        self._outcomes.note((job.id, fault))
