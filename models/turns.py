"""Turns: of what would wait for one row anyway, one at a time in a process.

Who waits for a row in the database holds a connection of the pool meanwhile. Taken in turn, all
that wait for one row hold one connection: a row that stays held leaves the rest to everybody else.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from models.deadlines import within
from models.refusals import unavailable

# As long as somebody waits for a connection of the pool.
TURN_WITHIN_S = 4


class _Turn:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.takers = 0


class Turns:
    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}

    @asynccontextmanager
    async def take(self, key: str) -> AsyncIterator[None]:
        """First come, first served. Not to be nested.

        Raises:
            Refused: UNAVAILABLE when those before take too long.
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
