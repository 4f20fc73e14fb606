"""Mutations under way: one that has begun runs to its end, whether anybody waits for it or not."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from models.refusals import Refused, unavailable
from parley.engine.answers import Answer


def too_slow(kind: str) -> Refused:
    """What is told at the deadline of a query, or of a mutation, which goes on."""
    if kind == "mutation":
        return unavailable("The answer takes too long; what was asked may still be done.")
    return unavailable("The answer takes too long; ask for less.")


class Mutations:
    """Those of one transport; `wait` is for the end of the process."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Answer]] = set()

    def begin(self, running: Coroutine[Any, Any, Answer]) -> asyncio.Task[Answer]:
        task = asyncio.create_task(running)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    async def wait(self) -> None:
        """Return when all of them have ended."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _forget(self, task: asyncio.Task[Answer]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Looked at, so that asyncio does not print what nobody waited for, text and all.
            task.exception()
