"""A connection that a loop keeps for itself; and when a batch goes again after an error."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

import asyncpg

from models.database import CONNECTION_ERRORS, Connection
from models.deadlines import within

logger = logging.getLogger("parley.commit")

# SQLSTATE classes after which a batch goes again: connection, read-only, rollback, resources, lock,
# operator.
RETRIED_CLASSES = ("08", "25", "40", "53", "55", "57")

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

    async def recover(self, error: Exception, attempt: int) -> bool:
        """Return True after a pause when the batch is to go again; False for an error of its data.

        The pause grows with `attempt`, from 10 ms to 0.5 s. A connection that broke is dropped.
        """
        state = getattr(error, "sqlstate", None) or ""
        if isinstance(error, CONNECTION_ERRORS):
            self.drop()
        elif not state.startswith(RETRIED_CLASSES):
            return False
        logger.warning("A batch goes again after %s %s.", type(error).__name__, state)
        await asyncio.sleep(min(0.5, 0.01 * 2**attempt) * random.uniform(0.5, 1))
        return True
