"""The runner of jobs: takes what is due of each kind, runs so many of it at once, and says what
becomes of each.

- A job runs at least once: one whose worker is silent for `silent_s` is taken by another.
- Each kind has its own limit and its own look into the queue, so that a slow one holds up no other.
- A job that fails is tried again, later each time; after its kind's most tries it is set aside with
  its error. A worker that dies counts as a try of what it had at hand. What was left behind runs
  one at a time of its kind, and what was so twice one at a time of all kinds: a job that kills
  workers takes another with it at most twice.
- While PostgreSQL is away nothing is taken, and no try is counted.

pgqueuer's own manager is not used: its limits of a kind are those of all workers together, and
without them it takes the whole queue into memory; and it counts no job whose worker died.
"""

import asyncio
import logging
import random
import time

from models.background import Background, Loops
from models.jobs.queue import JobFault, JobQueue, PutOff, TakenJob
from models.refusals import RefusalCode, Refused
from workers.jobs.kinds import JobKind, RetryLater, Run, SetAside, Watcher, fault_of
from workers.jobs.outcomes import JobOutcomes

__all__ = ["Jobs", "RetryLater", "Run", "SetAside", "Watcher"]

logger = logging.getLogger("parley.jobs")

# What became due without a word: retries, and what was to wait.
POLL_S = 2.0
# Between two looks while there is much to do, so that one look takes many.
GATHER_S = 0.003
# Between two tries to be told of what is queued.
LISTEN_AGAIN_S = 0.5
LONGEST_AWAY_S = 5.0
# How soon a job whose PostgreSQL, Valkey or storage was away is tried again.
UNAVAILABLE_S = 3.0
LONGEST_BACKOFF_S = 300.0
STOP_WITHIN_S = 6.0
LOG_KEPT_S = 900.0
PRUNE_EVERY_S = 60.0
PRUNE_AT_ONCE = 10_000
DIED = JobFault("WorkerDied", "The worker died each time that it ran this job.")


class Jobs:
    """One process's runner."""

    def __init__(
        self,
        queue: JobQueue,
        *,
        silent_s: float = 5.0,
        watcher: Watcher | None = None,
        loops: Loops | None = None,
        prune_every_s: float = PRUNE_EVERY_S,
    ) -> None:
        """`silent_s`: a worker that has not said for so long that it is at a job has lost it. It
        says so four times as often.
        """
        self._queue = queue
        self._silent_s = silent_s
        self._watcher = watcher
        self._prune_every_s = prune_every_s
        self._kinds: dict[str, JobKind] = {}
        self._background = Background(loops)
        self._outcomes = JobOutcomes(
            queue,
            beat_s=silent_s / 4,
            on_put_off=self._look_in,
            on_let_go=self._take_held_up,
            loops=loops,
        )
        self._running: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        # When to look which kinds have something due, by the monotonic clock.
        self._look_at = 0.0
        self._stopping = False
        # The job at hand that was left behind twice.
        self._suspect: int | None = None

    def register(
        self,
        entrypoint: str,
        run: Run,
        *,
        concurrency: int,
        most_tries: int,
        deadline_s: float,
        backoff_s: float = 1.0,
        on_set_aside: Run | None = None,
        per_owner: int | None = None,
        revives_together: bool = False,
    ) -> None:
        """Run jobs of this kind, before `start`. `run` returns when the job is done, and may raise
        `RetryLater` or `SetAside`; a Refused UNAVAILABLE is put off as well. It is cancelled after
        `deadline_s`. The second try comes `backoff_s` after the first, each later one after double
        that time. `on_set_aside` is told before a job is set aside. With `per_owner`, owners take
        turns, and each has at most so many at once, over all workers. `revives_together`: many
        that a worker left behind run at once the first time, so that none waits for the others.
        """
        self._kinds[entrypoint] = JobKind(
            entrypoint,
            run,
            concurrency,
            most_tries,
            deadline_s,
            backoff_s,
            on_set_aside,
            per_owner,
            revives_together=revives_together,
        )

    def start(self) -> None:
        self._outcomes.start()
        # PostgreSQL is away or busy, as a rule, when nothing can be taken.
        self._background.forever("jobs_take", self._take, longest_pause_s=LONGEST_AWAY_S)
        self._background.forever("jobs_listen", self._listen, longest_pause_s=LISTEN_AGAIN_S)
        self._background.every("jobs_prune", self._prune_every_s, self._prune, jitter=0.5)

    async def close(self, *, within_s: float = STOP_WITHIN_S) -> None:
        """Take no more; let what runs end, for a moment; others may have the rest at once."""
        await self._background.close()
        if self._running:
            await asyncio.wait(self._running, timeout=within_s)
        self._stopping = True
        for job in tuple(self._running):
            job.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._outcomes.close()

    # ---------------------------------------------------------------- taking

    async def _take(self) -> None:
        try:
            await self._take_round()
        except BaseException:
            self._look_at = 0.0
            raise
        await asyncio.sleep(GATHER_S)
        if not self._can_take():
            await self._pause()
        self._wake.clear()

    def _can_take(self) -> bool:
        return any(kind.more and kind.free > 0 for kind in self._kinds.values())

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(max(0.0, self._look_at - time.monotonic())):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _take_round(self) -> None:
        if time.monotonic() >= self._look_at:
            await self._look()
        for kind in self._kinds.values():
            if kind.left_behind and kind.revives_together and kind.free > 0:
                await self._revive_together(kind)
            if kind.left_behind and not kind.reviving and kind.free > 0:
                await self._revive(kind)
            while kind.more and kind.free > 0:
                for job in await kind.take(self._queue):
                    self._begin(kind, job)

    async def _look(self) -> None:
        """Find out which kinds have something due, and when to look again."""
        self._look_at = time.monotonic() + POLL_S
        found = await self._queue.find_due(
            list(self._kinds), silent_s=self._silent_s, at_hand=sorted(self._outcomes.at_hand)
        )
        for name, due in found.items():
            kind = self._kinds[name]
            kind.left_behind = due.left_behind
            kind.more |= due.now
            if due.in_s is not None:
                self._look_in(due.in_s)

    async def _revive_together(self, kind: JobKind) -> None:
        """Take those that were left behind once: they may have killed their worker, or been at
        hand by chance; whoever is left behind again runs alone.
        """
        jobs = await self._queue.take_left_behind(
            kind.name,
            silent_s=self._silent_s,
            at_hand=sorted(self._outcomes.at_hand),
            taken_at_most=1,
            most=kind.free,
        )
        for job in jobs:
            self._begin(kind, job)

    async def _revive(self, kind: JobKind) -> None:
        jobs = await self._queue.take_left_behind(
            kind.name,
            silent_s=self._silent_s,
            at_hand=sorted(self._outcomes.at_hand),
            taken_at_most=1 if self._suspect is not None else 2**31 - 1,
        )
        job = jobs[0] if jobs else None
        kind.left_behind = kind.reviving = job is not None
        if job is None:
            return
        if job.tries > 2:
            self._suspect = job.id
        self._begin(kind, job, revived=True)

    def _look_in(self, seconds: float) -> None:
        """Rather a moment late than a look too early."""
        soon = time.monotonic() + seconds + GATHER_S
        if soon < self._look_at:
            self._look_at = soon
            self._wake.set()

    def _take_held_up(self) -> None:
        """Of owners who had as many at once as they may."""
        for kind in self._kinds.values():
            if kind.ended:
                kind.ended, kind.more = False, True
                self._wake.set()

    def _look_now(self) -> None:
        self._look_at = 0.0
        self._wake.set()

    # ---------------------------------------------------------------- running

    def _begin(self, kind: JobKind, job: TakenJob, *, revived: bool = False) -> None:
        self._outcomes.at_hand.add(job.id)
        kind.running += 1
        task = asyncio.create_task(self._run(kind, job))
        self._running.add(task)

        def end(_: asyncio.Task[None]) -> None:
            self._running.discard(task)
            kind.end_one()
            if revived:
                kind.reviving = False
            if self._suspect == job.id:
                self._suspect = None
                self._look_now()
            if kind.more or kind.left_behind:
                self._wake.set()

        task.add_done_callback(end)

    async def _run(self, kind: JobKind, job: TakenJob) -> None:
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
        """What came of it."""
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
                # It is let go with all that is still at hand.
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
        """Spread out, so that what failed together does not come back together; never earlier."""
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
                # It is told when the job is taken the next time.
                logger.error("A job is not set aside yet: %s.", type(error).__name__)
                self._put_off(job, UNAVAILABLE_S, fault, counts=True)
                return
        self._outcomes.note((job.id, fault))

    # ---------------------------------------------------------------- besides

    async def _listen(self) -> None:
        """Look at once when jobs are queued; without it, they begin up to `POLL_S` later."""
        try:
            await self._queue.listen(self._look_now)
            await asyncio.sleep(LISTEN_AGAIN_S * random.uniform(0.5, 1.5))
        finally:
            self._look_now()

    async def _prune(self) -> None:
        while (
            await self._queue.delete_old_log(older_than_s=LOG_KEPT_S, most=PRUNE_AT_ONCE)
            == PRUNE_AT_ONCE
        ):
            continue
