"""Serves an app by uvicorn with Parley's protocol in this process, and asks it over a socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import uvicorn

from models.limits.limits import Limits
from parley.transport.http_protocol import Configuration, HttpProtocol

_HEAD = (
    b"POST /graphql HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\n"
    b"authorization: Bearer good\r\ncontent-length: %d\r\n\r\n"
)


class Connection:
    """A client's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, *requests: Any) -> None:
        """Send requests, all in one piece."""
        bodies = [orjson.dumps(request) for request in requests]
        self._writer.write(b"".join(_HEAD % len(body) + body for body in bodies))

    async def read_answer(self) -> Any:
        """Return the body of the next answer, which is 200."""
        head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 60)
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        return orjson.loads(await self._reader.readexactly(length))

    async def ask(self, request: Any) -> Any:
        self.send(request)
        return await self.read_answer()

    async def wait_until_closed(self) -> None:
        assert await asyncio.wait_for(self._reader.read(), 60) == b""

    def close(self) -> None:
        self._writer.close()


class Served:
    """An app that is served."""

    def __init__(self, server: uvicorn.Server) -> None:
        self._server = server
        self._address = server.servers[0].sockets[0].getsockname()[:2]
        self._connections: list[Connection] = []

    async def connect(self) -> Connection:
        connection = Connection(*await asyncio.open_connection(*self._address))
        self._connections.append(connection)
        return connection

    def let_idle_time_pass(self) -> None:
        """Let the timers of all connections come, as if their time had passed."""
        for protocol in tuple(self._server.server_state.connections):
            assert isinstance(protocol, HttpProtocol)
            protocol.timeout_keep_alive = 0
            protocol._end_idle()

    def close(self) -> None:
        for connection in self._connections:
            connection.close()


@asynccontextmanager
async def served(app: Any, **options: Any) -> AsyncIterator[Served]:
    """Serve the app on a free port."""
    configuration = Configuration(
        app,
        Limits(),
        connections=10,
        http=HttpProtocol,
        lifespan="off",
        log_config=None,
        port=0,
        **options,
    )
    server = uvicorn.Server(configuration)
    configuration.load()
    server.lifespan = configuration.lifespan_class(configuration)
    await server.startup()
    over = Served(server)
    try:
        yield over
    finally:
        over.close()
        await server.shutdown()
