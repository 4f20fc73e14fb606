"""What a work is asked for, and its loops: all are bounded in time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from bench.generator.measures import Windows, now, summary

Result = dict[str, Any]
One = Callable[[int, int], Awaitable[object]]


class Asked(NamedTuple):
    """How long and how hard."""

    secs: float = 4
    warm_s: float = 1
    conc: int = 64
    rate: float = 200
    idle: int = 2000
    members: int = 100
    # For what cannot be seen from outside: that a subscription without a replay has begun.
    settle_s: float = 1


class Loop(NamedTuple):
    latencies: list[float]
    took_s: float
    windows: Windows

    def figures(self) -> Result:
        count = len(self.latencies)
        return {
            "per_s": round(count / self.took_s, 1),
            "window_per_s": self.windows.median_per_s(),
            **summary(self.latencies),
        }


async def run_closed(workers: int, one: One, secs: float) -> Loop:
    """Each worker does the next thing when the one before is done."""
    latencies: list[float] = []
    windows = Windows()
    began = now()
    stop = began + secs

    async def work(worker: int) -> None:
        turn = 0
        while (at := now()) < stop:
            await one(worker, turn)
            turn += 1
            latencies.append(now() - at)
            windows.add()

    await asyncio.gather(*(work(worker) for worker in range(workers)))
    return Loop(latencies, now() - began, windows)


async def run_open(rate: float, count: int, one: Callable[[int], Awaitable[None]]) -> None:
    """Each thing is begun at its time, whether those before it are done or not."""
    began = now()
    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            early_s = began + number / rate - now()
            if early_s > 0:
                await asyncio.sleep(early_s)
            tasks.create_task(one(number))  # type: ignore[arg-type]
