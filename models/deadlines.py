"""Waiting with a deadline."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Value = TypeVar("Value")


async def within(awaitable: Awaitable[Value], seconds: float) -> Value:
    """What it gives, if it does so in time.

    Not `asyncio.wait_for`: before Python 3.12 that swallows a cancellation which comes in the
    moment that the awaited is done, and a loop that was told to end goes on for ever.

    Raises:
        TimeoutError: it did not.
    """
    async with asyncio.timeout(seconds):
        return await awaitable
