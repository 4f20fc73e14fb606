"""Replays of what clients missed, read and rendered in turns, so that hundreds who come back at
once take a share of their node, and neither its connections to PostgreSQL nor its time from those
who send, ask and follow live.

Turns go round by user: who opens a hundred streams waits for their own, and others wait for one of
them. A turn is a piece of reading, or a rendering that reads. A slice is some time of rendering; in
one turn of the event loop there is one slice.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# Of all replays: the rest of the pool is for those who ask.
READS_AT_ONCE = 3
# Everything else on the node waits for so long, once in a turn of the event loop.
SLICE_S = 0.001


class RotatingTurns:
    """Give at most `at_once` turns at a time, to those who wait in rotation over the users."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def take(self, user_id: str) -> None:
        """Wait for a turn, which `give_back` ends."""
        if self._free:
            self._free -= 1
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(user_id, deque()).append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():
                self.give_back()
            raise

    def give_back(self) -> None:
        while self._waiting:
            user_id, waiters = self._waiting.popitem(last=False)
            waiter = waiters.popleft()
            if waiters:
                self._waiting[user_id] = waiters
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1


class Replays:
    """Hold the turns that all replays of a node share."""

    def __init__(self, *, reads_at_once: int = READS_AT_ONCE, slice_s: float = SLICE_S) -> None:
        self.reads = RotatingTurns(reads_at_once)
        self.slices = RotatingTurns(1)
        self.slice_s = slice_s


class Pace:
    """Slow one user's replay down to its share."""

    def __init__(self, replays: Replays, user_id: str) -> None:
        self._replays = replays
        self._user_id = user_id
        self._until = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Take a turn for what uses a connection of the pool, not for what waits for a client."""
        reads = self._replays.reads
        await reads.take(self._user_id)
        try:
            yield
        finally:
            reads.give_back()

    async def step(self) -> None:
        """Call before each entry: waits when this replay has used its slice of time."""
        if time.monotonic() < self._until:
            return
        slices = self._replays.slices
        await slices.take(self._user_id)
        # The next one in the next turn of the loop, whatever this one does with its time.
        asyncio.get_running_loop().call_soon(slices.give_back)
        self._until = time.monotonic() + self._replays.slice_s
