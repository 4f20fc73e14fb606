"""Keep track of running mutations. Each runs to its end, even when its client has gone."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from parley.engine.answers import Answer


class Mutations:
    """Hold the running mutations of one transport, until they have ended."""

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
