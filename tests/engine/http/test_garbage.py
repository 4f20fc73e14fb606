"""Requests over uvicorn leave nothing to the garbage collector, which would look at it for long."""

import asyncio
import gc

import orjson
import uvicorn

from models.limits.limits import Limits
from parley.transport.http_protocol import Configuration, HttpProtocol
from tests.engine.http.asgi import App
from tests.engine.http.http_app import BOOK, SAVE

REQUESTS = 50


async def test_what_a_request_made_is_free_when_it_is_answered(app: App) -> None:
    configuration = Configuration(
        app.http,
        Limits(),
        connections=10,
        http=HttpProtocol,
        lifespan="off",
        log_config=None,
        port=0,
    )
    server = uvicorn.Server(configuration)
    configuration.load()
    server.lifespan = configuration.lifespan_class(configuration)
    await server.startup()
    reader, writer = await asyncio.open_connection(*server.servers[0].sockets[0].getsockname()[:2])
    try:
        for request in (SAVE, BOOK):
            await _ask(reader, writer, orjson.dumps(request), times=5)
            gc.collect()
            gc.disable()
            await _ask(reader, writer, orjson.dumps(request), times=REQUESTS)
            # Not one object a request.
            assert gc.collect() < REQUESTS
    finally:
        gc.enable()
        writer.close()
        await server.shutdown()


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes, *, times: int
) -> None:
    head = (
        b"POST /graphql HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\n"
        b"authorization: Bearer good\r\ncontent-length: %d\r\n\r\n"
    )
    for _ in range(times):
        writer.write(head % len(body) + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        length = int(answer.split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
