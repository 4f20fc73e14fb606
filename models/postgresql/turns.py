"""Turns: let a process run one transaction at a time for each row that is locked often.

A transaction that waits for a row's lock holds a connection of the pool meanwhile. By taking turns,
all that wait for one row hold one connection, and the others stay free for everybody else.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from models.deadlines import within
from models.refusals import unavailable

# Equal to how long `Database.connection` waits for a connection of the pool.
TURN_WITHIN_S = 4


class _Turn:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.takers = 0


class Turns:
    """Holds the queues of those that wait, by key."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}

    @asynccontextmanager
    async def take(self, key: str) -> AsyncIterator[None]:
        """Wait for the turn of this key, first come, first served. Must not be nested.

        Raises:
            Refused: UNAVAILABLE when the turn did not come within `TURN_WITHIN_S`.
        """
        turn = self._turns.setdefault(key, _Turn())
        turn.takers += 1
        try:
            try:
                await within(turn.lock.acquire(), TURN_WITHIN_S)
            except TimeoutError:
                raise unavailable() from None
            try:
                yield
            finally:
                turn.lock.release()
        finally:
            turn.takers -= 1
            if not turn.takers:
                del self._turns[key]
