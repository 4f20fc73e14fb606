"""A connection that a loop keeps for itself."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from models.deadlines import within
from models.standby import is_commit_unsure

Connect = Callable[[], Awaitable["asyncpg.Connection[asyncpg.Record]"]]

STATEMENT_TIMEOUT_S = 2


class CommitUnsureError(Exception):
    """Raised when something is committed at PostgreSQL, and perhaps not on its synchronous standby:
    were that promoted now, it would be lost.
    """


class SlotConnection:
    """Runs statements over one connection, each a transaction of its own."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection
        self._unsure = False
        connection.add_log_listener(self._note)

    def is_closed(self) -> bool:
        return self._connection.is_closed()

    def terminate(self) -> None:
        self._connection.terminate()

    async def fetch(self, query: str, *args: Any) -> list[asyncpg.Record]:
        """Run a statement, and return its rows once they are committed: within 2 s.

        Raises:
            CommitUnsureError: the commit was not waited for. The connection is of no more use.
            CONNECTION_ERRORS: it took longer, or the connection broke.
        """
        rows = await self._connection.fetch(query, *args, timeout=STATEMENT_TIMEOUT_S)
        if self._unsure:
            raise CommitUnsureError
        return rows

    def _note(self, _: object, message: asyncpg.PostgresLogMessage) -> None:
        self._unsure = self._unsure or is_commit_unsure(message)


class ConnectionSlot:
    """Holds one connection, and opens it again after it broke."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._connection: SlotConnection | None = None
        # How many calls failed one after the other, by no fault of what they wrote.
        self.failures = 0

    async def get(self) -> SlotConnection:
        """Return the connection, opened within 3 s where there is none."""
        if self._connection is None or self._connection.is_closed():
            self._connection = SlotConnection(await within(self._connect(), 3))
        return self._connection

    def drop(self) -> None:
        """Close the connection at once."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
