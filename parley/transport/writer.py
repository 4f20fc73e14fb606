"""Writes to one socket in order without waiting for it: at once while it takes, else from a bounded
queue.

Past the bound (events or bytes) `on_overflow` is called, once; nothing is written after that.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

Send = Callable[[Any], Awaitable[None]]


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


class SocketWriter:
    def __init__(
        self, send: Send, *, queued_events: int, queued_bytes: int, on_overflow: Callable[[], None]
    ) -> None:
        self._send = send
        self._queued_events = queued_events
        self._queued_bytes = queued_bytes
        self._on_overflow = on_overflow
        self._queue: deque[str] = deque()
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    def write(self, text: str) -> None:
        """Write, or queue. Never waits, never raises."""
        if self._closed:
            return
        if self._task is not None:
            self._enqueue(text)
            return
        # A send that need not wait is over after one step; then no task is needed.
        coroutine: Any = self._send({"type": "websocket.send", "text": text})
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

    def close(self) -> None:
        """Nothing more is written; what waits is dropped."""
        self._closed = True
        self._queue.clear()
        self._bytes = 0
        self._idle.set()

    def _enqueue(self, text: str) -> None:
        self._queue.append(text)
        self._bytes += len(text)
        if len(self._queue) > self._queued_events or self._bytes > self._queued_bytes:
            self.close()
            self._on_overflow()

    async def _drain(self, rest: _Rest) -> None:
        try:
            await rest
            while self._queue:
                text = self._queue.popleft()
                self._bytes -= len(text)
                await self._send({"type": "websocket.send", "text": text})
        except Exception:
            self.close()
        finally:
            self._task = None
            self._idle.set()
