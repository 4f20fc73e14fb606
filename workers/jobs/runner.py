"""The runner of jobs: takes what is due of each kind, runs so many of it at once, and says what
becomes of each.

- A job runs at least once: one whose worker is silent for `silent_s` is taken by another.
- Each kind has its own limit and its own look into the queue, so that a slow one holds up no other.
- A job that fails is tried again, later each time; after its kind's most tries it is set aside with
  its error. A worker that dies counts as a try of what it had at hand. What was left behind runs
  one at a time of its kind, and what was so twice one at a time of all kinds: a job that kills
  workers takes another with it at most twice.
- While PostgreSQL is away nothing is taken, and no try is counted.
"""

import asyncio
import random
import time

from models.background import Background, Loops
from models.jobs.queue import JobQueue, TakenJob
from workers.jobs.attempts import JobAttempts
from workers.jobs.kinds import JobKind, RetryLater, Run, SetAside, Watcher
from workers.jobs.outcomes import JobOutcomes

__all__ = ["Jobs", "RetryLater", "Run", "SetAside", "Watcher"]

# What became due without a word: retries, and what was to wait.
POLL_S = 2.0
# Between two looks while there is much to do, so that one look takes many.
GATHER_S = 0.003
# Between two tries to be told of what is queued.
LISTEN_AGAIN_S = 0.5
LONGEST_AWAY_S = 5.0
STOP_WITHIN_S = 6.0


class Jobs:
    """One process's runner."""

    def __init__(
        self,
        queue: JobQueue,
        *,
        silent_s: float = 5.0,
        watcher: Watcher | None = None,
        loops: Loops | None = None,
        poll_s: float = POLL_S,
    ) -> None:
        """`silent_s`: a worker that has not said for so long that it is at a job has lost it. It
        says so four times as often. `poll_s`: the longest time between two looks for what is due.
        """
        self._queue = queue
        self._silent_s = silent_s
        self._poll_s = poll_s
        self._kinds: dict[str, JobKind] = {}
        self._background = Background(loops)
        self._outcomes = JobOutcomes(
            queue,
            beat_s=silent_s / 4,
            on_put_off=self._look_in,
            on_let_go=self._take_held_up,
            loops=loops,
        )
        self._attempts = JobAttempts(self._outcomes, watcher)
        self._running: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        # When to look which kinds have something due, by the monotonic clock.
        self._look_at = 0.0
        # The job at hand that was left behind twice.
        self._suspect: int | None = None

    def register(
        self,
        kind: str,
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
        self._kinds[kind] = JobKind(
            kind,
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

    async def close(self, *, within_s: float = STOP_WITHIN_S) -> None:
        """Take no more; let what runs end, for a moment; others may have the rest at once."""
        await self._background.close()
        if self._running:
            await asyncio.wait(self._running, timeout=within_s)
        self._attempts.stop()
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
        self._look_at = time.monotonic() + self._poll_s
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
        """Take jobs of owners who had as many at once as they may."""
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
        task = asyncio.create_task(self._attempts.run(kind, job))
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

    # ---------------------------------------------------------------- besides

    async def _listen(self) -> None:
        """Look at once when jobs are queued; without it, they begin up to `POLL_S` later."""
        try:
            await self._queue.listen(self._look_now)
            await asyncio.sleep(LISTEN_AGAIN_S * random.uniform(0.5, 1.5))
        finally:
            self._look_now()
