"""PostgreSQL: a pool of asyncpg connections, for single statements and transactions.

A `uuid` column is read and written as a string of 32 hex characters. A connection goes back to the
pool without a reset query, so nothing may set session state on it.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from models.deadlines import within
from models.postgresql.distribution import IS_DISTRIBUTED
from models.postgresql.hosts import Connected, Opened, open_connection
from models.postgresql.lending import CONNECTION_WAIT_S, Lender, Lent
from models.postgresql.shards import LIST_SHARDS, count_shards, is_of_a_moving_shard
from models.postgresql.turns import Turns
from models.refusals import unavailable

logger = logging.getLogger("parley.database")

# In quotes, since asyncpg's classes take their parameter only when types are checked.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

# asyncpg would ask a Citus coordinator for each type at 0.5 to 2.1 s; harmless on plain PostgreSQL.
SERVER_SETTINGS = {
    # A process that stops inside a transaction lets go of its locks after this many ms.
    "idle_in_transaction_session_timeout": "5000",
    "application_name": "parley",
    "citus.override_table_visibility": "off",
    "jit": "off",
}

# Raised when no connection can be had, or one broke: SQLSTATE classes 08, 53 and 57, and errors of
# asyncpg and the kernel. InternalClientError: the server has ended the connection, and asyncpg has
# not closed it yet; or no host takes writes. ReadOnlySQLTransactionError: this is a standby.
CONNECTION_ERRORS = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.ReadOnlySQLTransactionError,
    OSError,
    TimeoutError,
)


async def prepare_connection(connection: Connection) -> None:
    """Give a new connection our codecs: uuid as hex text."""
    await connection.set_type_codec(
        "uuid", schema="pg_catalog", format="binary", encoder=bytes.fromhex, decoder=bytes.hex
    )


async def connect(
    url: str, *, settings: dict[str, str] | None = None
) -> "asyncpg.Connection[asyncpg.Record]":
    """Open one connection outside the pool; `settings` are added to those of the pool."""
    connection = await open_connection(
        url, server_settings=SERVER_SETTINGS | (settings or {}), statement_cache_size=200
    )
    await prepare_connection(connection)
    return connection


class DatabaseClosed(Exception):
    """Raised when PostgreSQL refuses this process for a reason that does not pass by itself, which
    the text says.
    """


async def wait_for_database(url: str) -> None:
    """Wait until PostgreSQL accepts a connection. The first failure is logged.

    Raises:
        DatabaseClosed: it refuses this process, and waiting would not help.
    """
    away = False
    while True:
        try:
            await (await connect(url)).close(timeout=1)
        except asyncpg.exceptions.ClientConfigurationError as error:
            raise DatabaseClosed(str(error)) from None
        except CONNECTION_ERRORS as error:
            if not away:
                logger.warning(
                    "PostgreSQL is away; this process waits for it, and is not ready: %s",
                    type(error).__name__,
                )
            away = True
            await asyncio.sleep(random.uniform(0.1, 0.5))
        except asyncpg.PostgresError as error:
            raise DatabaseClosed(f"PostgreSQL says: {error}") from None
        else:
            if away:
                logger.info("PostgreSQL is there; this process goes on.")
            return


async def keep_session(_: Connection) -> None:
    """Do nothing when a connection goes back to its pool: there is no session state on it."""


class Reads(Protocol):
    """A replica of the database."""

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record] | None:
        """Return rows of one snapshot, or None when it does not answer."""


class Profiles(Protocol):
    """Users that were read lately (models/users/profiles.py)."""

    def find(self, user_ids: Iterable[str]) -> dict[str, Any]:
        """Return those that are kept, by id."""

    def keep(self, users: Iterable[Any], began: float) -> None:
        """Keep what a reading has found that began then, in monotonic seconds."""

    def drop(self, user_ids: Sequence[str]) -> None:
        """Forget these."""


class _Use:
    """The use of a connection, which goes back to the pool at its end."""

    __slots__ = ("_lent", "_pool")

    _lent: Lent

    def __init__(self, pool: Lender) -> None:
        self._pool = pool

    async def __aenter__(self) -> Connection:
        try:
            self._lent = self._pool.take_free() or await self._pool.wait()
        except CONNECTION_ERRORS as error:
            raise unavailable() from error
        return self._lent.connection

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            self._pool.give(self._lent)
            return
        if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
            # What was the primary is none any more, or never was: all are opened anew.
            self._lent.connection.terminate()
            await self._pool.expire()
        await self._pool.give_up(self._lent)
        if isinstance(error, CONNECTION_ERRORS) or is_of_a_moving_shard(error):
            raise unavailable() from error


async def _make_pool(
    url: str, connections: int, statement_timeout_s: float
) -> "asyncpg.Pool[asyncpg.Record]":
    """Make a pool, which connects when it is first asked."""

    async def open_one(dsn: str | None = None, **options: Any) -> Opened:
        return await open_connection(dsn or url, **options)

    return await asyncpg.create_pool(
        url,
        connect=open_one,
        connection_class=Connected,
        # Else asyncpg connects again by itself while PostgreSQL is away, and logs each try.
        min_size=0,
        max_size=connections,
        init=prepare_connection,
        reset=keep_session,
        command_timeout=statement_timeout_s + 1,
        server_settings=SERVER_SETTINGS
        | {"statement_timeout": str(int(statement_timeout_s * 1000))},
    )


class Database:
    """Runs single statements and transactions, each on a connection of the pool for as long as it
    lasts.
    """

    # Where pages that are older than a minute are read first, if anywhere.
    replica: "Reads | None" = None
    # Where other people's profiles are kept for a moment, if anywhere.
    profiles: "Profiles | None" = None
    # The database that has the queue of jobs; None where that is this one.
    jobs: "Database | None" = None
    # What the queue has not taken within so many seconds is left to the sweep of due jobs.
    queue_wait_s = 5.0
    # Whether the tables are distributed by Citus: rows of different keys are on different servers.
    is_distributed = False
    # Into how many equal shards; 0 if that is not known.
    shards = 0

    def __init__(self, pool: Lender, url: str) -> None:
        self.pool = pool
        self.url = url
        self._turns = Turns()

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        connections: int = 8,
        statement_timeout_s: float = 5,
        connection_wait_s: float = CONNECTION_WAIT_S,
    ) -> "Database":
        """Open a pool and try one connection. Statements are ended after `statement_timeout_s`;
        who waits for a connection is refused after `connection_wait_s`.

        Raises:
            CONNECTION_ERRORS: PostgreSQL is away.
        """
        pool = await _make_pool(url, connections, statement_timeout_s)
        database = cls(Lender(pool, wait_s=connection_wait_s), url)
        try:
            # So that the caller learns at once if PostgreSQL is away.
            async with pool.acquire() as connection:
                database.is_distributed = await connection.fetchval(IS_DISTRIBUTED)
                if database.is_distributed:
                    database.shards = count_shards(
                        (row["first_table"], row["least"])
                        for row in await connection.fetch(LIST_SHARDS)
                    )
        except BaseException:
            pool.terminate()
            raise
        return database

    @classmethod
    async def open_later(
        cls,
        url: str,
        *,
        connections: int,
        statement_timeout_s: float = 5,
        connection_wait_s: float = CONNECTION_WAIT_S,
    ) -> "Database":
        """Open a pool that connects when it is first used, so that PostgreSQL may be away. Its
        tables are not distributed.
        """
        pool = await _make_pool(url, connections, statement_timeout_s)
        return cls(Lender(pool, wait_s=connection_wait_s), url)

    async def close(self) -> None:
        """Close the pool; connections that are still in use after 3 s are cut."""
        try:
            await within(self.pool.close(), 3)
        except TimeoutError:
            self.pool.terminate()

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]:
        async with self.connection() as connection:
            return await connection.fetch(query, *args)

    async def fetch_within(self, seconds: float, query: str, *args: object) -> list[asyncpg.Record]:
        """Fetch rows for what cannot wait until a connection that is silent counts as broken: one
        that does not answer in time is left for good, so that the next call takes another.
        """
        async with self.connection() as connection:
            try:
                return await within(connection.fetch(query, *args), seconds)
            except TimeoutError:
                connection.terminate()
                raise

    async def fetchrow(self, query: str, *args: object) -> asyncpg.Record | None:
        async with self.connection() as connection:
            return await connection.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: object) -> Any:
        async with self.connection() as connection:
            return await connection.fetchval(query, *args)

    async def execute(self, query: str, *args: object) -> str:
        async with self.connection() as connection:
            return await connection.execute(query, *args)

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """Take a connection of the pool, waiting up to `connection_wait_s` for one.

        Raises:
            Refused: UNAVAILABLE when none can be had, or it breaks.
        """
        return _Use(self.pool)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Take a connection and begin a transaction: committed at the end, rolled back by an
        exception.
        """
        async with self.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def transaction_in_turn(self, row: str) -> AsyncIterator[Connection]:
        """Begin a transaction that is going to lock this row. This process runs one at a time for
        each row, so that those that wait hold no connection.
        """
        async with self._turns.take(row), self.transaction() as connection:
            yield connection
