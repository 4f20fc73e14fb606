"""One live subscription: what was missed, at the client's pace, then each event as it comes,
rendered in order and handed to the client's writer.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from typing import Protocol

from models.close_codes import TOO_SLOW, CloseCode
from models.log.events import Occurrence, StreamCut
from parley.engine.sharing import Render
from parley.transport.writer import Writer
from subscriptions.replays import Pace


class Followed(Protocol):
    """What a subscription's root field gives: a `subscriptions.feed.Feed`."""

    ended: asyncio.Future[None]
    pace: Pace

    @property
    def reason(self) -> BaseException | None: ...

    def replay(self) -> AsyncIterator[Occurrence]: ...

    def attach(self, sink: Callable[[Occurrence], None]) -> None: ...

    def end(self, reason: BaseException | None = None) -> None: ...


class Subscription:
    """Follows a feed. `frame` makes of an event's text what is written; most events are rendered
    without waiting.
    """

    def __init__(
        self,
        feed: Followed,
        render: Render,
        frame: Callable[[str], str],
        writer: Writer,
        *,
        queued_events: int,
    ) -> None:
        self._feed = feed
        self._render = render
        self._frame = frame
        self._writer = writer
        self._queued_events = queued_events
        # Occurrences whose rendering has to wait, or that wait behind one.
        self._later: list[Occurrence] = []
        self._rendering: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Write all events until the feed ends, and return. Cancelled, it ends the feed.

        Raises:
            Exception: the reason why the feed ended.
        """
        feed = self._feed
        try:
            await self._replay()
            if feed.reason is None:
                # What is queued is given also when the feed has been completed meanwhile.
                feed.attach(self._sink)
                await feed.ended
            if self._rendering is not None and not isinstance(feed.reason, StreamCut):
                await asyncio.wait({self._rendering})
        finally:
            self.stop()
            if self._rendering is not None:
                await asyncio.wait({self._rendering})
        if feed.reason is not None:
            raise feed.reason

    def stop(self) -> None:
        """Write nothing more from now on, and let `run` return."""
        self._later.clear()
        if self._rendering is not None:
            self._rendering.cancel()
        self._feed.end()

    async def _replay(self) -> None:
        """Send what was missed, as the client takes it; where rendering reads too, in a turn."""
        reads = True
        async for occurrence in self._feed.replay():
            async with self._feed.pace.turn() if reads else nullcontext():
                text = self._render(occurrence)
                reads = not isinstance(text, str)
                if not isinstance(text, str):
                    text = await text
            if self._feed.ended.done():
                return
            await self._writer.put(self._frame(text))

    def _sink(self, occurrence: Occurrence) -> None:
        if self._rendering is None:
            text = self._render(occurrence)
            if isinstance(text, str):
                self._writer.write(self._frame(text))
                return
            self._rendering = asyncio.create_task(self._render_later(text))
            return
        self._later.append(occurrence)
        if len(self._later) > self._queued_events:
            self._feed.end(StreamCut(CloseCode.TRY_AGAIN_LATER, TOO_SLOW))

    async def _render_later(self, text: Awaitable[str]) -> None:
        try:
            self._writer.write(self._frame(await text))
            while self._later:
                rendered = self._render(self._later.pop(0))
                text_now = rendered if isinstance(rendered, str) else await rendered
                self._writer.write(self._frame(text_now))
        except Exception as error:
            self._feed.end(error)
        finally:
            self._rendering = None
