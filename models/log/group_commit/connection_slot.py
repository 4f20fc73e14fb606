"""A connection that a loop keeps for itself."""

from collections.abc import Awaitable, Callable

import asyncpg

from models.deadlines import within
from models.postgresql.database import Connection

Connect = Callable[[], Awaitable["asyncpg.Connection[asyncpg.Record]"]]


class ConnectionSlot:
    """Holds one connection, and opens it again after it broke."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        # How many calls failed one after the other, by no fault of what they wrote.
        self.failures = 0

    async def get(self) -> Connection:
        """Return the connection, opened within 3 s where there is none."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await within(self._connect(), 3)
        return self._connection

    def drop(self) -> None:
        """Close the connection at once."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
