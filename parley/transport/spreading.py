"""Ends many things one after another over a given time, so that the clients behind them do not all
connect elsewhere at once.
"""

import asyncio
from collections.abc import Callable, Sequence

# A process with few clients ends them faster than in the whole time: this long after each other.
LONGEST_PAUSE_S = 0.01


async def end_one_by_one(ends: Sequence[Callable[[], None]], over_s: float) -> None:
    """Call each function, at an even pace, within about `over_s` seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    pause_s = min(LONGEST_PAUSE_S, over_s / max(1, len(ends)))
    for number, end in enumerate(ends):
        # By the clock, since a sleep takes a millisecond or more.
        await asyncio.sleep(max(0.0, began + number * pause_s - loop.time()))
        end()
