"""Waiting with a deadline."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Value = TypeVar("Value")


async def within(awaitable: Awaitable[Value], seconds: float) -> Value:
    """Return the result of `awaitable`, if it comes within so many seconds.

    Unlike `asyncio.wait_for`, which before Python 3.12 swallows a cancellation that comes in the
    moment when the result is there: a loop that was told to end would then go on for ever.

    Raises:
        TimeoutError: it did not come in time.
    """
    async with asyncio.timeout(seconds):
        return await awaitable
