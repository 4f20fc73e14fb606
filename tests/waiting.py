"""Waiting for something to become true, with a deadline: what tests do instead of sleeping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

Value = TypeVar("Value")

POLL_S = 0.01


@overload
async def eventually(check: Callable[[], Awaitable[Value]], within_s: float = 60) -> Value: ...
@overload
async def eventually(check: Callable[[], Value], within_s: float = 60) -> Value: ...
async def eventually(check: Callable[[], Any], within_s: float = 60) -> Any:
    """Return the first true value of `check`, which may be a coroutine function.

    Raises:
        AssertionError: it stayed false; what it gave last is shown.
    """
    deadline = time.monotonic() + within_s
    while True:
        given = check()
        value = await given if inspect.isawaitable(given) else given
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"still {value!r} after {within_s:g} s: {_source(check)}")
        await asyncio.sleep(POLL_S)


def wait_until(check: Callable[[], Value], within_s: float = 60) -> Value:
    """`eventually` outside of an event loop."""
    deadline = time.monotonic() + within_s
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"still {value!r} after {within_s:g} s: {_source(check)}")
        time.sleep(POLL_S)


async def steps(count: int) -> None:
    """Let the event loop turn so often: what makes two tasks meet at another place each time."""
    for _ in range(count):
        await asyncio.sleep(0)


class Edge:
    """How many steps to wait for something before another thing is begun, for two that race: walks
    to where the outcome turns, and stays about there.
    """

    def __init__(self) -> None:
        self.steps = 0

    def note(self, *, too_early: bool) -> None:
        """Go later, or sooner, next time; by strides that grow, for a machine that is slow."""
        stride = 8 + self.steps // 8
        self.steps = max(0, self.steps + (stride if too_early else -stride))


def _source(check: Callable[..., object]) -> str:
    try:
        return inspect.getsource(check).strip()
    except (OSError, TypeError):
        return repr(check)
