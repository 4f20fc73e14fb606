"""Waiting with a deadline."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Value = TypeVar("Value")

# A timer that comes later than this was held up: the event loop stood still.
LATE_S = 0.01


async def within(awaitable: Awaitable[Value], seconds: float) -> Value:
    """Return the result of `awaitable`, if it comes within so many seconds.

    The time by which the event loop came too late to its own timer does not count, for nothing that
    had arrived was read in it: what stood still was this process, not the server that it asks.

    Unlike `asyncio.wait_for`, which before Python 3.12 swallows a cancellation that comes in the
    moment when the result is there: a loop that was told to end would then go on for ever.

    Raises:
        TimeoutError: it did not come in time.
    """
    async with asyncio.timeout(None) as timeout:
        deadline = _Deadline(timeout, seconds)
        try:
            return await awaitable
        finally:
            deadline.timer.cancel()


class _Deadline:
    """The timer that ends a wait, unless it comes late itself: then it is set once more."""

    __slots__ = ("_loop", "_timeout", "timer")

    def __init__(self, timeout: asyncio.Timeout, seconds: float) -> None:
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._set(seconds)

    def _set(self, seconds: float) -> None:
        due_at = self._loop.time() + seconds
        self.timer = self._loop.call_at(due_at, self._end, due_at)

    def _end(self, due_at: float) -> None:
        late_s = self._loop.time() - due_at
        if late_s > LATE_S:
            self._set(late_s)
        else:
            self._timeout.reschedule(self._loop.time())
