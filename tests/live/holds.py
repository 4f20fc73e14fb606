"""How long the event loop is held: in CPU time, so that other processes do not count."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def longest_hold() -> AsyncIterator[list[float]]:
    """The most CPU seconds that were used between two turns of the event loop, but for garbage
    collections, which are long in a process of tests.
    """
    longest = [0.0]

    async def turn() -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            longest[0] = max(longest[0], time.thread_time() - before)

    gc.disable()
    turning = asyncio.create_task(turn())
    try:
        yield longest
    finally:
        turning.cancel()
        gc.enable()
