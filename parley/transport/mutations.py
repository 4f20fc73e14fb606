"""Keep track of running mutations. Each runs to its end, even when its client has gone.

A mutation runs in the task of its request, or of its operation on a socket, and nobody cancels
that: not when the client goes, not at `complete`, not at the deadline. A task of its own for each
mutation, and a wait for it, would take 8 % of the CPU of a send.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self


class RunningMutation:
    """One mutation, from its beginning to its end: a context manager around its execution."""

    __slots__ = ("_mutations", "_tell_late", "due_at")

    def __init__(self, mutations: "Mutations", tell_late: Callable[[], None], due_at: float):
        self._mutations = mutations
        self._tell_late = tell_late
        # By the loop's clock.
        self.due_at = due_at

    def be_late(self) -> None:
        """Tell the client that the answer did not come in time."""
        self._tell_late()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._mutations.end(self)


class Mutations:
    """Hold the running mutations of one transport until they have ended, and tell those that pass
    the deadline. All have the same time, so one timer serves them all.
    """

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        # In the order in which they began, which is that of their deadlines.
        self._in_time: dict[RunningMutation, None] = {}
        self._late: set[RunningMutation] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._all_ended = asyncio.Event()
        self._all_ended.set()

    def begin(self, tell_late: Callable[[], None]) -> RunningMutation:
        """Count a mutation until the context that this returns has ended. `tell_late` is called if
        it has not at the deadline; the mutation goes on.
        """
        loop = asyncio.get_running_loop()
        running = RunningMutation(self, tell_late, loop.time() + self._deadline_s)
        self._in_time[running] = None
        self._all_ended.clear()
        if self._timer is None:
            self._timer = loop.call_at(running.due_at, self._tell_late)
        return running

    def end(self, running: RunningMutation) -> None:
        if running in self._in_time:
            del self._in_time[running]
        else:
            self._late.discard(running)
        if not self._in_time and not self._late:
            self._all_ended.set()

    async def wait(self) -> None:
        """Return when all of them have ended."""
        while self._in_time or self._late:
            await self._all_ended.wait()

    def _tell_late(self) -> None:
        """Tell all that are due by now, and set the timer for the next one."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._timer = None
        for running in tuple(self._in_time):
            if running.due_at > now:
                self._timer = loop.call_at(running.due_at, self._tell_late)
                return
            del self._in_time[running]
            self._late.add(running)
            running.be_late()
