"""Locks by key, within this process: of those that have the same key one runs at a time."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class KeyLocks:
    """Keeps an entry only for keys that are locked."""

    def __init__(self) -> None:
        self._held: dict[Hashable, asyncio.Event] = {}

    @asynccontextmanager
    async def locked(self, key: Hashable) -> AsyncIterator[None]:
        """Wait until nobody else holds the lock of this key, and hold it until the block ends."""
        while (other := self._held.get(key)) is not None:
            await other.wait()
        done = self._held[key] = asyncio.Event()
        try:
            yield
        finally:
            del self._held[key]
            done.set()
