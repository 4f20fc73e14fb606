"""A node in the test's own event loop: the real app, under uvicorn as it ships, on a port of its
own.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import uvicorn

from parley.app import App, build_app
from parley.ports import LOOPBACK, listening_socket
from parley.server import bound_readers, configuration
from parley.settings import Settings
from tests.waiting import eventually

# What a node gives up after a while, it must not give up on a busy machine. Tests of that have a
# node of their own.
PATIENCE: dict[str, Any] = {
    "request_deadline_s": 60.0,
    "search_deadline_s": 60.0,
    "connection_wait_s": 60.0,
    "statement_timeout_s": 60.0,
    "job_queue_wait_s": 60.0,
    "commit_deadline_s": 60.0,
    "replica_wait_s": 60.0,
    "bucket_wait_s": 60.0,
    "connection_init_s": 60.0,
    "stopped_reader_s": 60.0,
    "request_head_s": 60.0,
    "request_body_s": 60.0,
    "ping_timeout_s": 60.0,
}


@dataclass(frozen=True, slots=True)
class Server:
    app: App
    port: int
    # Kept open, as a client's is.
    http: httpx2.AsyncClient

    @property
    def host(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/graphql"


# `async with served_with(access_token_ttl_s=3) as server`: a node with limits of its own.
ServedWith = Callable[..., AbstractAsyncContextManager[Server]]


class _Uvicorn(uvicorn.Server):
    """Leaves the signals, and the end of the process, to pytest."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:
            raise RuntimeError("the app did not start; the log says why") from None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serve(settings: Settings) -> AsyncIterator[Server]:
    """Answers when it is entered; is drained and closed when it is left."""
    app = build_app(settings)
    with listening_socket(LOOPBACK, 0, shared=False) as listening:
        bound_readers(listening, settings.limits)
        uvicorn_server = _Uvicorn(configuration(app, settings))
        running = asyncio.create_task(uvicorn_server.serve([listening]))
        # No certificates are loaded, which would take as long as the rest of the node.
        limits = httpx2.Limits(max_connections=500, max_keepalive_connections=500)
        async with httpx2.AsyncClient(
            limits=limits, timeout=60, trust_env=False, verify=False
        ) as http:
            server = Server(app, listening.getsockname()[1], http)
            # A process is alive before it serves, if that takes long.
            await eventually(lambda: app._opened or running.done())
            await eventually(lambda: uvicorn_server.started or running.done())
            if running.done():
                await running
            try:
                yield server
            finally:
                await app.drain()
                uvicorn_server.should_exit = True
                await running
