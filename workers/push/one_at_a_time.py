"""One at a time of what has the same key, in this process."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class Alone:
    def __init__(self) -> None:
        self._at_work: dict[Hashable, asyncio.Event] = {}

    @asynccontextmanager
    async def at(self, key: Hashable) -> AsyncIterator[None]:
        """Wait until nobody else is at it."""
        while (other := self._at_work.get(key)) is not None:
            await other.wait()
        done = self._at_work[key] = asyncio.Event()
        try:
            yield
        finally:
            del self._at_work[key]
            done.set()
