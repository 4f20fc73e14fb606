"""Kinds of jobs: how they are run, what they may raise, and what is kept of what they did."""

import random
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import msgspec

from models.jobs.jobs import LAST_TURN
from models.jobs.queue import JobFault, JobQueue, TakenJob
from models.refusals import Refused

Run = Callable[[TakenJob], Awaitable[None]]


class RetryLater(Exception):
    """Not now: run this job again after so many seconds. Does not count as a try. `why` is a
    sentence of ours for operators.
    """

    def __init__(self, after_s: float, why: str = "It was put off.") -> None:
        super().__init__(why)
        self.after_s = after_s
        self.why = why


class SetAside(Exception):
    """No further try would help. `why` is a sentence of ours for operators."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Watcher(Protocol):
    """Whoever counts: done, retried, later, failed, died, unavailable; tries so far; seconds."""

    def note(self, kind: str, outcome: str, tries: int, seconds: float) -> None: ...


class JobKind(msgspec.Struct):
    """How jobs of a kind are run; and what is known of those that wait. `per_owner`: owners
    take turns, and each has so many at once, over all workers; None: what was due first goes first.
    """

    name: str
    run: Run
    concurrency: int
    most_tries: int
    deadline_s: float
    backoff_s: float
    on_set_aside: Run | None
    per_owner: int | None = None
    # The number of the owner who had the last turn; the first turn is anybody's.
    turn: int = msgspec.field(default_factory=lambda: random.randint(1, LAST_TURN))
    # Those that were left behind for the first time run together, not one at a time.
    revives_together: bool = False
    running: int = 0
    # Jobs have ended, which others of their owners may have waited for.
    ended: bool = False
    # There may be more that is due.
    more: bool = False
    # Some are left behind by a silent worker; at most one of them is being run.
    left_behind: bool = False
    reviving: bool = False

    @property
    def free(self) -> int:
        return self.concurrency - self.running

    async def take(self, queue: JobQueue) -> list[TakenJob]:
        """Take jobs that are due, at most as many as there are places for."""
        if self.per_owner is None:
            free = self.free
            jobs = await queue.take_due(self.name, free)
            self.more = len(jobs) == free
            return jobs
        job = await queue.take_next(self.name, after=self.turn, per_owner=self.per_owner)
        self.more = job is not None
        if job is None:
            return []
        self.turn = job.turn
        return [job]

    def end_one(self) -> None:
        self.running -= 1
        self.ended = self.per_owner is not None


def fault_of(error: BaseException) -> JobFault:
    """Return the error's class and a sentence: a refusal's own, or else where it was raised.
    Its text is left out, since it may quote what the job was about.
    """
    return JobFault(type(error).__name__, _sentence(error))


def _sentence(error: BaseException) -> str:
    if isinstance(error, Refused):
        return error.reason
    if isinstance(error, TimeoutError):
        return "It took longer than it may."
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    where = (
        f"{Path(ours[-1].filename).name}, line {ours[-1].lineno}" if ours else "an unknown place"
    )
    return f"Raised in {where}."
