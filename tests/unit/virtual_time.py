"""Time that passes only while there is nothing to do: what a loop's timers promise, exact whatever
else the machine does.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class _Selector(selectors.DefaultSelector):
    """Waits in no time, and notes how long that was."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nothing will ever happen"
        self.now_s += max(0, timeout)
        return super().select(0)


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.clock = _Selector()
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now_s


def in_virtual_time(test: Coroutine[Any, Any, None]) -> None:
    """Run a test without I/O; its loop's clock begins at 0."""
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        runner.run(test)


def stand_still(seconds: float) -> None:
    """Hold the running loop up for so long, as a call that blocks does."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, _VirtualLoop)
    loop.clock.now_s += seconds
