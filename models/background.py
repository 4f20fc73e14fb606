"""Background work: loops that run beside requests for as long as their process lives, and tasks
that end by themselves.

- A loop goes on after every error, also an unexpected one, after a pause that grows up to
  `longest_pause_s`. It ends only when it is closed, or by raising `CannotGoOn`.
- A cancellation of the loop itself is never swallowed. A `CancelledError` from something that the
  loop awaited is an error like any other.
- Every failure is counted, and logged once an episode: another line follows for another class of
  error, and one more when no round has failed for ten seconds (models/episodes.py).
- It is expected that PostgreSQL, Valkey or another service is away at times: this is counted as
  `away` and never makes the process not ready, since all processes would be so at once.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from models.episodes import AwayErrors, Episode

logger = logging.getLogger("parley.background")

LONGEST_PAUSE_S = 2.0
# A task that does not end by a cancellation is cancelled again after so long, so many times.
CANCEL_AGAIN_S = 1.0
CANCELLATIONS = 3

Work = Callable[[], Awaitable[object]]


class CannotGoOn(Exception):
    """Raised by a loop's work when the fault is in this process and not in a service that it uses.
    The loop ends and the process is not ready any more, so that it gets replaced.
    """


class Loops:
    """Counts the loops of a process and their failures, for `/metrics` and `/readyz`."""

    def __init__(self, on_end: Callable[[], None] = lambda: None) -> None:
        """`on_end` is called when a loop has ended that should run."""
        self._on_end = on_end
        # Loops that were begun, by name.
        self.begun: Counter[str] = Counter()
        # By name and by what it was: "away" or "unexpected".
        self.failures: Counter[tuple[str, str]] = Counter()
        # Loops that ended though nobody closed them.
        self.ended: set[str] = set()

    @property
    def can_go_on(self) -> bool:
        """Return whether no loop has ended that should run."""
        return not self.ended

    def note_end(self, name: str) -> None:
        """Note that a loop has ended though nobody closed it."""
        self.ended.add(name)
        self._on_end()


class Background:
    """Runs the loops and tasks of one part of a process. Their names are labels of metrics: use
    fixed words.
    """

    def __init__(self, loops: Loops | None = None) -> None:
        """`loops` counts for the whole process; without it, this part counts for itself."""
        self._loops = Loops() if loops is None else loops
        self._running: set[asyncio.Task[None]] = set()
        self._spawned: set[asyncio.Task[None]] = set()
        self._episodes: dict[str, Episode] = {}
        self._closed = False

    def forever(
        self,
        name: str,
        work: Work,
        *,
        away: AwayErrors = (),
        longest_pause_s: float = LONGEST_PAUSE_S,
    ) -> None:
        """Do `work` again and again until closed. `work` must wait for something by itself.

        `away` lists the errors that say that a service other than PostgreSQL is away.
        """
        episode = self._episodes[name] = Episode(name, self._loops.failures, away, longest_pause_s)
        self._loops.begun[name] += 1
        task = asyncio.create_task(self._go_on(work, episode), name=name)
        self._running.add(task)
        task.add_done_callback(self._note_end)

    def every(
        self,
        name: str,
        seconds: float,
        work: Work,
        *,
        jitter: float = 0.0,
        at_once: bool = False,
        away: AwayErrors = (),
        longest_pause_s: float = LONGEST_PAUSE_S,
    ) -> None:
        """Do `work` after each pause of `seconds`. A `jitter` of 0.5 makes each pause between half
        and one and a half of that, so that processes do not act at the same time. With `at_once`
        there is no pause before the first round.
        """
        waits = not at_once

        async def round_() -> None:
            nonlocal waits
            if waits:
                await asyncio.sleep(seconds * random.uniform(1 - jitter, 1 + jitter))
            waits = True
            self._episodes[name].begin_round()
            await work()

        self.forever(name, round_, away=away, longest_pause_s=longest_pause_s)

    def whenever(
        self,
        name: str,
        event: asyncio.Event,
        work: Work,
        *,
        gather_s: float = 0.0,
        away: AwayErrors = (),
        longest_pause_s: float = LONGEST_PAUSE_S,
    ) -> None:
        """Do `work` each time that the event is set, `gather_s` later, so that requests that come
        close together are done together. After an error it is done again by itself.
        """

        async def round_() -> None:
            await event.wait()
            if gather_s:
                await asyncio.sleep(gather_s)
            event.clear()
            self._episodes[name].begin_round()
            try:
                await work()
            except BaseException:
                event.set()
                raise

        self.forever(name, round_, away=away, longest_pause_s=longest_pause_s)

    def spawn(self, name: str, work: Coroutine[Any, Any, object], *, away: AwayErrors = ()) -> None:
        """Run a coroutine that ends by itself; its errors are counted and logged. After `close` it
        is not begun.
        """
        if self._closed:
            work.close()
            return
        task = asyncio.create_task(self._once(name, work, away), name=name)
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)
        # It was not begun if the task was cancelled before its first step.
        task.add_done_callback(lambda _: work.close())

    def note(self, name: str, error: BaseException, *, away: AwayErrors = ()) -> None:
        """Count and log an error of background work, which the caller has dealt with."""
        episode = self._episodes.get(name)
        if episode is None:
            episode = self._episodes[name] = Episode(name, self._loops.failures, away, 0)
        episode.note_alone(error)

    async def close(self, *, finish_s: float = 0) -> None:
        """Cancel all loops and tasks, and wait until they have ended. Spawned tasks may go on for
        up to `finish_s` seconds first.
        """
        self._closed = True
        await _cancel(self._running)
        if finish_s and self._spawned:
            await asyncio.wait(self._spawned, timeout=finish_s)
        await _cancel(self._spawned)

    async def _go_on(self, work: Work, episode: Episode) -> None:
        while not self._closed:
            episode.begin_round()
            try:
                await work()
            except CannotGoOn:
                raise
            except (Exception, asyncio.CancelledError) as error:
                if self._is_told_to_end(error):
                    raise
                pause_s = episode.note_failure(error)
            else:
                episode.note_success()
                continue
            await asyncio.sleep(pause_s)

    async def _once(self, name: str, work: Coroutine[Any, Any, object], away: AwayErrors) -> None:
        try:
            await work
        except (Exception, asyncio.CancelledError) as error:
            if self._is_told_to_end(error):
                raise
            self.note(name, error, away=away)

    def _is_told_to_end(self, error: BaseException) -> bool:
        """Return whether this task was cancelled, and not something that it awaited."""
        if not isinstance(error, asyncio.CancelledError):
            return False
        task = asyncio.current_task()
        return self._closed or task is None or task.cancelling() > 0

    def _note_end(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if self._closed:
            return
        self._loops.note_end(task.get_name())
        logger.critical(
            "A loop ended that must go on: this process is not ready any more, restart it",
            extra={"loop": task.get_name()},
            exc_info=error,
        )


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    left = set(tasks)
    for _ in range(CANCELLATIONS):
        if not left:
            return
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)
    for task in left:
        logger.error("A task does not end", extra={"loop": task.get_name()})
