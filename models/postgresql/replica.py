"""A read replica of the database, which may be behind the primary, or away.

It is a help, and never needed: whoever asks is told that it did not answer, and asks the primary.
After an error it is left alone for some seconds, so that a replica that is away slows nobody down.
"""

import logging
import time
from typing import Any

import asyncpg

from models.postgresql.database import SERVER_SETTINGS, keep_session, prepare_connection
from models.postgresql.hosts import Connected, Opened, open_connection

logger = logging.getLogger("parley.database")

# An answer that takes longer is no help.
ANSWER_WITHIN_S = 0.5
LEFT_ALONE_S = 5.0


class Replica:
    """Reads from a replica, over connections of its own."""

    def __init__(
        self, pool: "asyncpg.Pool[asyncpg.Record]", answer_within_s: float = ANSWER_WITHIN_S
    ) -> None:
        self._pool = pool
        self._answer_within_s = answer_within_s
        self._left_alone_until = 0.0
        self._away = False

    @classmethod
    async def open(
        cls, url: str, *, connections: int, answer_within_s: float = ANSWER_WITHIN_S
    ) -> "Replica":
        """Make the pool, which connects when it is first asked."""

        async def open_one(dsn: str | None = None, **options: Any) -> Opened:
            return await open_connection(dsn or url, takes_writes=False, **options)

        pool = await asyncpg.create_pool(
            url,
            connect=open_one,
            connection_class=Connected,
            min_size=0,
            max_size=connections,
            init=prepare_connection,
            reset=keep_session,
            command_timeout=answer_within_s,
            server_settings=SERVER_SETTINGS,
        )
        return cls(pool, answer_within_s)

    async def close(self) -> None:
        self._pool.terminate()

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record] | None:
        """Return the rows, all of one snapshot; None when the replica does not answer in time, or
        has ended the query because it stood in the way of what the primary sends.
        """
        if time.monotonic() < self._left_alone_until:
            return None
        try:
            async with self._pool.acquire(timeout=self._answer_within_s) as connection:
                rows = await connection.fetch(query, *args)
        except asyncpg.SerializationError:
            return None
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            self._note_failure(error)
            return None
        self._away = False
        return rows

    def _note_failure(self, error: Exception) -> None:
        self._left_alone_until = time.monotonic() + LEFT_ALONE_S
        if not self._away:
            logger.warning(
                "The replica of READ_DATABASE_URL does not answer (%s); the primary is asked.",
                type(error).__name__,
            )
        self._away = True
