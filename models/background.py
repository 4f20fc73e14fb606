"""Background work: loops that run beside requests for as long as their process lives, and tasks
that end by themselves.

- A loop goes on after every error, also one that nobody thought of, with a pause that grows to
  `longest_pause_s`. It ends when it is closed; whatever else ends it is *cannot go on*.
- A cancellation is never swallowed. One that reaches a loop from something that it awaited, while
  nobody cancelled the loop itself, is an error like others.
- Failures are counted each, and logged once an episode: a second line comes for another class of
  error, and one more once no round has failed for ten seconds (models/episodes.py).
- PostgreSQL, Valkey or another service being away is expected: counted as `away`, and never a
  reason to be not ready, since all processes would be so at once.
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
# A task that took its cancellation for something else is cancelled again, so often.
CANCEL_AGAIN_S = 1.0
CANCELLATIONS = 3

Work = Callable[[], Awaitable[object]]


class CannotGoOn(Exception):
    """Raised by a loop's work when this process, and not what it depends on, can no longer do it.
    The loop ends and the process says that it is not ready, so that it is replaced.
    """


class Loops:
    """What a process knows of its loops, for `/metrics` and `/readyz`."""

    def __init__(self, on_end: Callable[[], None] = lambda: None) -> None:
        """`on_end` is told when a loop ended that must go on."""
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
        """A loop ended though nobody closed it."""
        self.ended.add(name)
        self._on_end()


class Background:
    """The loops and tasks of one part of a process. Names are fixed words: they are a label of a
    metric.
    """

    def __init__(self, loops: Loops | None = None) -> None:
        """`loops` is the process's; a part that runs without a process has one of its own."""
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
        """Do `work` again and again, until closed. Each round must wait for something by itself.

        `away`: what is raised while a service other than PostgreSQL is away.
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
        """Do `work` after each pause of `seconds`, more or less by the part `jitter` of it
        (0.5: between half and one and a half of it), so that processes do not act together.
        `at_once`: the first time without a pause.
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
        """Do `work` each time that the event is set, `gather_s` later so that what comes together
        is done together. After an error it is done again without being asked.
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
        """Run something once that ends by itself; its errors are counted and logged. After `close`
        it is not begun.
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
        """Count and log an error of background work that was dealt with where it happened."""
        episode = self._episodes.get(name)
        if episode is None:
            episode = self._episodes[name] = Episode(name, self._loops.failures, away, 0)
        episode.note_alone(error)

    async def close(self, *, finish_s: float = 0) -> None:
        """Cancel everything, and return when it has ended. What was spawned may finish first, for
        `finish_s`.
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
