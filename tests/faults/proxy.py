"""A connection in between, which can be cut at any byte, or go silent."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Link:
    """One client's connection through the proxy."""

    def __init__(self, client: Streams, server: Streams) -> None:
        self._streams = (client, server)
        self.to_client_bytes = 0
        # What the client said first in a connection often tells what it is for.
        self.client_said: set[bytes] = set()
        self.silent = False

    def cut(self) -> None:
        """Abruptly: whatever is under way is lost."""
        for _, writer in self._streams:
            writer.transport.abort()


# Looks at what is to be passed on, and says how many bytes of it are before the cut; None: no cut.
Judge = Callable[[Link, bytes], int | None]


def _no_cut(link: Link, passing: bytes) -> int | None:
    return None


class Proxy:
    """Listens on `port`. `to_server` and `to_client` judge what passes; `marks` are words of the
    client that links remember.
    """

    def __init__(self, target_port: int, marks: tuple[bytes, ...] = ()) -> None:
        self.to_server: Judge = _no_cut
        self.to_client: Judge = _no_cut
        self.links: set[Link] = set()
        # Whether who comes is let through.
        self.open = True
        self.port = 0
        self._target_port = target_port
        self._marks = marks

    async def link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.open:
            writer.transport.abort()
            return
        try:
            server = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        link = Link((reader, writer), server)
        self.links.add(link)
        try:
            await asyncio.gather(
                self._pass_on(link, reader, server[1], to_client=False),
                self._pass_on(link, server[0], writer, to_client=True),
            )
        except OSError:
            return
        finally:
            link.cut()
            self.links.discard(link)

    async def _pass_on(
        self,
        link: Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        to_client: bool,
    ) -> None:
        while passing := await reader.read(65536):
            if link.silent:
                continue
            if not to_client:
                link.client_said.update(mark for mark in self._marks if mark in passing)
            kept = (self.to_client if to_client else self.to_server)(link, passing)
            writer.write(passing[:kept])
            if to_client:
                link.to_client_bytes += len(passing[:kept])
            if kept is not None:
                break
            await writer.drain()
        if not writer.is_closing() and writer.can_write_eof():
            writer.write_eof()
        raise ConnectionAbortedError


@asynccontextmanager
async def proxy(target_port: int, marks: tuple[bytes, ...] = ()) -> AsyncIterator[Proxy]:
    between = Proxy(target_port, marks)
    server = await asyncio.start_server(between.link, "127.0.0.1", 0)
    between.port = server.sockets[0].getsockname()[1]
    try:
        yield between
    finally:
        server.close()
        for link in tuple(between.links):
            link.cut()
