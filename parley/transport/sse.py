"""GraphQL as server-sent events: graphql-sse's "distinct connections mode", a stream an operation.

A stream ends with `complete`, except where the client is to come back: after a `StreamCut` (deploy,
overload) it just ends. What goes wrong before or during the operation is told in a `next`, as the
protocol has it. The next event is taken from the source when the last one was sent, so a slow
client fills no buffer here.
"""

import asyncio
from collections.abc import AsyncIterable
from typing import Any

from models.events import StreamCut
from parley.engine.errors import exception_answer
from parley.engine.sharing import Render
from parley.transport.reply import Reply
from parley.transport.request import EVENT_STREAM, Receive

_HEARTBEAT = b":\n\n"
_COMPLETE = b"event: complete\ndata: \n\n"

# Proxies are told not to wait for more.
_HEADERS = [(b"content-type", EVENT_STREAM), (b"x-accel-buffering", b"no")]

# What a source that has ended gives.
_END = object()


class EventStream:
    """The answer to one request."""

    def __init__(self, receive: Receive, reply: Reply, heartbeat_s: float) -> None:
        self._receive = receive
        self._reply = reply
        self._heartbeat_s = heartbeat_s
        self._cut: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def cut(self) -> None:
        """End the stream without completing it: the client connects again."""
        if not self._cut.done():
            self._cut.set_result(None)

    async def write_answer(self, answer: bytes) -> None:
        """One result, and the end."""
        await self._reply.begin(_HEADERS)
        await self._reply.write_part(_next(answer.decode()) + _COMPLETE, last=True)

    async def follow(self, source: AsyncIterable[Any], render: Render) -> None:
        """Every event of the source, until it ends, the client goes, or the stream is cut."""
        gone = asyncio.ensure_future(self._wait_until_gone())
        try:
            await self._reply.begin(_HEADERS)
            await self._reply.write_part(_HEARTBEAT)
            last_words = await self._write_events(source, render, gone)
            await self._reply.write_part(last_words, last=True)
        finally:
            gone.cancel()
            await _close(source)

    async def _write_events(
        self, source: AsyncIterable[Any], render: Render, gone: asyncio.Future[None]
    ) -> bytes:
        """Write all but the last words, which are returned."""
        iterator: Any = aiter(source)
        try:
            while not gone.done() and not self._cut.done():
                event = await self._take(iterator, gone)
                if event is _END:
                    return _COMPLETE if not gone.done() and not self._cut.done() else b""
                text = render(event)
                text = text if isinstance(text, str) else await text
                await self._reply.write_part(_next(text))
        except StreamCut:
            return b""
        except Exception as error:
            return _next(exception_answer(error).decode()) + _COMPLETE
        finally:
            await _close(iterator)
        return b""

    async def _take(self, iterator: Any, gone: asyncio.Future[None]) -> Any:
        """The next event, after heartbeats; `_END` when there is none, or nobody for it."""
        step = asyncio.ensure_future(anext(iterator, _END))
        try:
            while not step.done():
                any_of: set[asyncio.Future[Any]] = {step, gone, self._cut}
                await asyncio.wait(
                    any_of, timeout=self._heartbeat_s, return_when=asyncio.FIRST_COMPLETED
                )
                if step.done():
                    break
                if gone.done() or self._cut.done():
                    return _END
                await self._reply.write_part(_HEARTBEAT)
            return step.result()
        finally:
            await _stop(step)

    async def _wait_until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _next(text: str) -> bytes:
    return f"event: next\ndata: {text}\n\n".encode()


async def _close(source: Any) -> None:
    aclose = getattr(source, "aclose", None)
    if aclose is not None:
        await aclose()


async def _stop(step: asyncio.Future[Any]) -> None:
    """Cancel the wait for an event, and wait until it is: a running generator cannot be closed."""
    if step.done():
        return
    step.cancel()
    await asyncio.wait({step})
    if not step.cancelled():
        step.exception()
