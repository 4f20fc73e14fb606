"""How long the event loop is held: in CPU time, so that other processes do not count."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass
class Holds:
    """CPU seconds between two turns of the event loop: the most, and all together."""

    longest_s: float = 0.0
    all_s: float = 0.0


@asynccontextmanager
async def measured_holds() -> AsyncIterator[Holds]:
    """What the loop is held by meanwhile, but for garbage collections, which are long in a process
    of tests.
    """
    holds = Holds()

    async def turn() -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            held_s = time.thread_time() - before
            holds.longest_s = max(holds.longest_s, held_s)
            holds.all_s += held_s

    gc.disable()
    turning = asyncio.create_task(turn())
    try:
        yield holds
    finally:
        turning.cancel()
        gc.enable()
