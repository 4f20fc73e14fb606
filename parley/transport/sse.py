"""GraphQL as server-sent events: graphql-sse's "distinct connections mode", a stream an operation.

A stream ends with `complete`, except where the client is to come back: after a `StreamCut` (deploy,
overload) it just ends. What goes wrong before or during the operation is told in a `next`, as the
protocol has it. A client that is too slow, or stops reading, is cut with its connection.
"""

import asyncio

from models.limits.limits import Limits
from models.log.events import StreamCut
from parley.engine.answers import Answer, exception_answer
from parley.engine.sharing import Render
from parley.transport.reply import Reply
from parley.transport.request import EVENT_STREAM, Receive
from parley.transport.subscription import Followed, Subscription
from parley.transport.writer import Writer

_HEARTBEAT = ":\n\n"
_COMPLETE = "event: complete\ndata: \n\n"

# Proxies are told not to wait for more.
_HEADERS = [(b"content-type", EVENT_STREAM), (b"x-accel-buffering", b"no")]


class EventStream:
    """Write the server-sent events of one request."""

    def __init__(self, receive: Receive, reply: Reply, limits: Limits, heartbeat_s: float) -> None:
        self._receive = receive
        self._reply = reply
        self._limits = limits
        self._heartbeat_s = heartbeat_s
        self._writer = Writer(self._write, limits, self._give_up)
        self._slow = False
        self._cut: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def cut(self) -> None:
        """End the stream without completing it: the client connects again."""
        if not self._cut.done():
            self._cut.set_result(None)

    def _give_up(self) -> None:
        self._slow = True
        self.cut()

    async def write_answer(self, answer: Answer) -> None:
        """Write one answer, and the end."""
        await self._reply.begin(_HEADERS)
        await self._reply.write_part((_next(answer.body.decode()) + _COMPLETE).encode(), last=True)

    async def follow(self, feed: Followed, render: Render) -> None:
        """Write every event of the feed until it ends, the client goes, or the stream is cut."""
        following = Subscription(
            feed, render, _next, self._writer, queued_events=self._limits.queued_events_per_socket
        )
        gone = asyncio.ensure_future(self._wait_until_gone())
        running = None
        try:
            await self._reply.begin(_HEADERS)
            self._writer.write(_HEARTBEAT)
            running = asyncio.create_task(following.run())
            await self._wait_for_the_end(running, gone)
            await self._end(running, gone)
        finally:
            following.stop()
            await _cancel(running)
            self._writer.close()
            gone.cancel()

    async def _wait_for_the_end(
        self, running: asyncio.Task[None], gone: asyncio.Future[None]
    ) -> None:
        any_of: set[asyncio.Future[None]] = {running, gone, self._cut}
        while not (running.done() or gone.done() or self._cut.done()):
            done, _ = await asyncio.wait(
                any_of, timeout=self._heartbeat_s, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                self._writer.write(_HEARTBEAT)

    async def _end(self, running: asyncio.Task[None], gone: asyncio.Future[None]) -> None:
        """Write what the client still has to get, then the last event.

        A client that has gone, or that is to connect again, gets no last event.
        """
        last_words = _last_words(running)
        if last_words != _COMPLETE:
            self._writer.drop()
        if last_words is not None:
            # Bounded by `stopped_reader_s`.
            flushed = asyncio.ensure_future(self._writer.flush())
            any_of: set[asyncio.Future[None]] = {flushed, gone, self._cut}
            await asyncio.wait(any_of, return_when=asyncio.FIRST_COMPLETED)
            flushed.cancel()
        if self._slow or self._writer.waits:
            self._reply.abort()
            await gone
        # To who has gone this is nothing.
        await self._reply.write_part((last_words or "").encode(), last=True)

    async def _write(self, text: str) -> None:
        await self._reply.write_part(text.encode())

    async def _wait_until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _last_words(running: asyncio.Task[None]) -> str | None:
    """Return the last events of a stream that ended by itself, or None when there are none."""
    if not running.done():
        return None
    error = running.exception()
    if error is None:
        return _COMPLETE
    if isinstance(error, StreamCut) or not isinstance(error, Exception):
        return None
    return _next(exception_answer(error).body.decode()) + _COMPLETE


def _next(text: str) -> str:
    return f"event: next\ndata: {text}\n\n"


async def _cancel(task: asyncio.Task[None] | None) -> None:
    """Cancel it, and wait until it has ended."""
    if task is None or task.done():
        return
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
