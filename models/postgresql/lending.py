"""Lends the connections of a pool, and keeps those that are free at hand for a while.

asyncpg's pool makes two tasks, a timer and a future each time that a connection is taken and goes
back, which was a fifth of what a page of messages costs. Here a free connection is taken from a
list. asyncpg's pool still opens, counts and closes connections, and takes back each on which
something was raised.
"""

import asyncio
from collections import deque
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from models.deadlines import within

# In quotes, since asyncpg's classes take their parameter only when types are checked.
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Proxy: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

# For a connection. Less than a request may take, so that who waits in vain is told why.
CONNECTION_WAIT_S = 4.0
# A connection that nobody took for so long goes back to asyncpg's pool, which closes it later.
IDLE_S = 5.0
# So often a connection is lent before it goes back to asyncpg's pool, which closes one that has
# run 50,000 statements.
LENT_MOST = 1_000


class Lent:
    """A connection of the pool that is in somebody's use, or free."""

    __slots__ = ("connection", "free_since", "generation", "times")

    def __init__(self, connection: Proxy, generation: int) -> None:
        self.connection = connection
        self.generation = generation
        self.times = 1
        self.free_since = 0.0

    def is_whole(self) -> bool:
        """Return whether the connection can be lent as it is: open, and in no transaction."""
        try:
            return not (self.connection.is_closed() or self.connection.is_in_transaction())
        except asyncpg.InterfaceError:
            # It was closed, and asyncpg's pool has taken it back by itself.
            return False


class Lender:
    """Lends each connection to one at a time; those that wait get theirs in the order in which
    they came.

    There is one lender for a pool. It never takes more connections than the pool may open, so it
    does not wait in asyncpg's queue.
    """

    def __init__(
        self, pool: Pool, *, wait_s: float = CONNECTION_WAIT_S, idle_s: float = IDLE_S
    ) -> None:
        self._pool = pool
        self._wait_s = wait_s
        self._idle_s = idle_s
        self._loop = asyncio.get_running_loop()
        self._most = pool.get_max_size()
        # Connections that are lent, free, being opened or on their way back.
        self._taken = 0
        # The one that was used last is taken first, so that the others become idle.
        self._free: deque[Lent] = deque()
        # Each gets a connection, or None where it may open one.
        self._waiters: deque[asyncio.Future[Lent | None]] = deque()
        self._generation = 0
        self._closed = False
        self._returning: set[asyncio.Task[None]] = set()
        self._sweep_timer: asyncio.TimerHandle | None = None

    def get_size(self) -> int:
        """Return how many connections are open."""
        return self._pool.get_size()

    def get_idle_size(self) -> int:
        """Return how many connections are open and free."""
        return self._pool.get_idle_size() + sum(lent.is_whole() for lent in self._free)

    def take_free(self) -> Lent | None:
        """Return a connection that is free now, if there is one. Whoever takes it gives it back
        by `give` or, if anything was raised on it, by `give_up`.
        """
        while self._free:
            lent = self._free.pop()
            if lent.is_whole():
                lent.times += 1
                return lent
            self._return(lent)
        return None

    async def wait(self) -> Lent:
        """Wait for a connection, behind those that wait already. It is given back as one of
        `take_free` is.

        Raises:
            TimeoutError: none became free, or none could be opened, in time.
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError:
                none could be opened, or the pool is closed.
        """
        until = self._loop.time() + self._wait_s
        if self._taken < self._most:
            self._taken += 1
        else:
            lent = await self._wait_in_line()
            if lent is not None:
                lent.times += 1
                return lent
        return await self._open(until)

    async def _open(self, until: float) -> Lent:
        generation = self._generation
        try:
            left_s = max(until - self._loop.time(), 0.0)
            return Lent(await self._pool.acquire(timeout=left_s), generation)
        except BaseException:
            self._let_open()
            raise

    async def _wait_in_line(self) -> Lent | None:
        waiter: asyncio.Future[Lent | None] = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            return await within(waiter, self._wait_s)
        except BaseException:
            # What came in the same moment goes to the next.
            if not waiter.done() or waiter.cancelled():
                self._leave_line(waiter)
            elif (lent := waiter.result()) is None:
                self._let_open()
            else:
                self.give(lent)
            raise

    def _leave_line(self, waiter: "asyncio.Future[Lent | None]") -> None:
        waiter.cancel()
        if waiter in self._waiters:
            self._waiters.remove(waiter)

    def give(self, lent: Lent) -> None:
        """Take a connection back on which nothing was raised: the next one gets it at once."""
        if not self._may_stay(lent):
            self._return(lent)
        elif not self._hand_on(lent):
            lent.free_since = self._loop.time()
            self._free.append(lent)
            if self._sweep_timer is None:
                self._sweep_timer = self._loop.call_later(self._idle_s, self._sweep)

    def _may_stay(self, lent: Lent) -> bool:
        return (
            lent.generation == self._generation
            and lent.times < LENT_MOST
            and not self._closed
            and lent.is_whole()
        )

    async def give_up(self, lent: Lent) -> None:
        """Give a connection on which something was raised to asyncpg's pool, which waits until a
        statement that was cancelled has ended, and rolls back what is open. Returns when that is
        done, or the connection closed because it was not done in time.
        """
        await asyncio.wait([self._return(lent)])

    def _return(self, lent: Lent) -> "asyncio.Task[None]":
        returning = self._loop.create_task(self._return_to_pool(lent))
        self._returning.add(returning)
        returning.add_done_callback(self._note_return)
        return returning

    async def _return_to_pool(self, lent: Lent) -> None:
        try:
            await self._pool.release(lent.connection, timeout=self._wait_s)
        finally:
            self._let_open()

    def _note_return(self, returning: "asyncio.Task[None]") -> None:
        self._returning.discard(returning)
        if not returning.cancelled():
            # A connection that broke on its way back is closed: there is nobody to tell.
            returning.exception()

    def _let_open(self) -> None:
        """Let the first that waits open a connection, in place of one that is no longer taken."""
        if not self._hand_on(None):
            self._taken -= 1

    def _hand_on(self, lent: Lent | None) -> bool:
        """Give a connection, or the right to open one, to the first that still waits. Returns
        whether anybody did.
        """
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(lent)
                return True
        return False

    def _sweep(self) -> None:
        """Return what has been idle for too long."""
        self._sweep_timer = None
        now = self._loop.time()
        while self._free and self._free[0].free_since + self._idle_s <= now:
            self._return(self._free.popleft())
        if self._free:
            next_at = self._free[0].free_since + self._idle_s
            self._sweep_timer = self._loop.call_at(next_at, self._sweep)

    async def expire(self) -> None:
        """Have all connections opened anew; those in use are closed when they come back."""
        self._generation += 1
        await self._pool.expire_connections()
        self._return_free()

    def _return_free(self) -> None:
        while self._free:
            self._return(self._free.popleft())

    async def close(self) -> None:
        """Wait until all connections are back, and close them."""
        self._stop_lending()
        await self._pool.close()

    def terminate(self) -> None:
        """Cut all connections, also those in use."""
        self._stop_lending()
        self._pool.terminate()

    def _stop_lending(self) -> None:
        self._closed = True
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
            self._sweep_timer = None
        self._return_free()
