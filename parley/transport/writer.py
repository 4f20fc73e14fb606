"""Writes to one client in order without waiting for it: at once while it takes, else from a bounded
queue.

A client that takes nothing for too long, or for which too much waits (texts or bytes), is slow:
`on_slow` is called, once, and nothing is written after that.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from models.flag import Flag
from models.limits.limits import Limits

Send = Callable[[str], Coroutine[Any, Any, None]]


class _Rest:
    """The rest of a coroutine that was begun outside a task and stopped at `waits_for`."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], waits_for: Any) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, None, None]:
        waits_for = self._waits_for
        while True:
            try:
                yield waits_for
            except BaseException as error:
                try:
                    waits_for = self._coroutine.throw(error)
                except StopIteration:
                    return
                continue
            try:
                waits_for = self._coroutine.send(None)
            except StopIteration:
                return


class Writer:
    """`send` writes one text, and returns when the connection takes more."""

    def __init__(self, send: Send, limits: Limits, on_slow: Callable[[], None]) -> None:
        self._send = send
        self._limits = limits
        self._on_slow = on_slow
        self._queue: list[tuple[str, int]] = []
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._idle = Flag(is_set=True)

    @property
    def waits(self) -> bool:
        """Return True if the client has not taken all that was written."""
        return self._task is not None

    def write(self, text: str) -> None:
        """Write, or queue. Never waits, never raises."""
        if self._closed:
            return
        if self._task is not None:
            self._enqueue(text)
            return
        # A send that need not wait is over after one step; then no task is needed.
        coroutine: Any = self._send(text)
        try:
            waits_for = coroutine.send(None)
        except StopIteration:
            return
        except Exception:
            self.close()
            return
        self._idle.clear()
        self._task = asyncio.create_task(self._drain(_Rest(coroutine, waits_for)))

    async def put(self, text: str) -> None:
        """Write, and wait until all of it is out: for a producer that can wait."""
        self.write(text)
        await self._idle.wait()

    async def flush(self) -> None:
        """Wait until all is out, or the writer is closed."""
        await self._idle.wait()

    def drop(self) -> None:
        """Drop what waits."""
        self._queue.clear()
        self._bytes = 0

    def close(self) -> None:
        """Write nothing more, and drop what waits."""
        self._closed = True
        self.drop()
        self._idle.set()

    def _enqueue(self, text: str) -> None:
        size = len(text) if text.isascii() else len(text.encode())
        self._queue.append((text, size))
        self._bytes += size
        limits = self._limits
        if (
            len(self._queue) > limits.queued_events_per_socket
            or self._bytes > limits.queued_bytes_per_socket
        ):
            self._give_up()

    def _give_up(self) -> None:
        if not self._closed:
            self.close()
            self._on_slow()

    async def _drain(self, rest: _Rest) -> None:
        try:
            await self._take(rest)
            while self._queue:
                text, size = self._queue.pop(0)
                self._bytes -= size
                await self._take(self._send(text))
        except TimeoutError:
            self._give_up()
        except Exception:
            self.close()
        finally:
            self._task = None
            self._idle.set()

    async def _take(self, sending: Any) -> None:
        async with asyncio.timeout(self._limits.stopped_reader_s):
            await sending
