"""Readiness: ask whether PostgreSQL takes writes, over a connection for nothing else.

So the answer comes also while all connections of the pool are in use, and within a second when
PostgreSQL hangs: a query without an answer is not cancelled (which PostgreSQL would have to
answer), but its connection is dropped.
"""

import asyncio
import contextlib
import time

from models.postgresql.database import Connection, connect

# A load balancer asks each process every second or so; the answer is this fresh.
FRESH_S = 0.25
ANSWER_WITHIN_S = 0.9

QUESTION = "SELECT version_num FROM alembic_version WHERE NOT pg_is_in_recovery()"


class Readiness:
    """Asks one PostgreSQL whether it takes writes and has a certain revision, or a later one: while
    a deploy goes on, the processes of the release before work on the new one's database.
    """

    def __init__(self, url: str, revision: str) -> None:
        self._url = url
        self._revision = revision
        self._connection: Connection | None = None
        self._asking: asyncio.Task[bool] | None = None
        self._answer = False
        self._answered_at = float("-inf")

    async def ask(self) -> bool:
        """Return whether it does, within a second. Callers at the same time share one query."""
        if time.monotonic() - self._answered_at < FRESH_S:
            return self._answer
        asking = self._asking
        if asking is None:
            asking = self._asking = asyncio.create_task(self._ask())
            asking.add_done_callback(self._note)
        await asyncio.wait({asking}, timeout=ANSWER_WITHIN_S)
        if not asking.done():
            self._drop()
            asking.cancel()
            return False
        return not asking.cancelled() and asking.exception() is None and asking.result()

    async def close(self) -> None:
        """Drop the connection and the query that is under way."""
        self._drop()
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})

    async def _ask(self) -> bool:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._url)
        found = await self._connection.fetchval(QUESTION)
        # Revisions are numbers of four digits; nothing is found where writes are not taken.
        return found is not None and str(found) >= self._revision

    def _note(self, asked: asyncio.Task[bool]) -> None:
        self._asking = None
        failed = asked.cancelled() or asked.exception() is not None
        if failed:
            self._drop()
        self._answer = not failed and asked.result()
        self._answered_at = time.monotonic()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.terminate()
