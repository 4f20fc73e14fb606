"""`parley.server` around a small app of our own, as a process.

`python -m tests.embedded.serving PORT OWN_PORT DRAIN_S LIMITS`, a supervisor's child as to the
shared port; limits are JSON.
"""

import asyncio
import json
import sys

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from models.limits.limits import Limits
from parley.logs import configure_logging
from parley.server import run_api
from parley.settings import Settings


class Draining(Starlette):
    """Lets go of the request that waits only when it is told to drain, or by another request."""

    def __init__(self) -> None:
        routes = [Route("/pid", pid), Route("/wait", wait), WebSocketRoute("/echo", echo)]
        super().__init__(routes=[*routes, Route("/finish", finish), Route("/fail", fail)])
        self.draining = asyncio.Event()

    def stop_being_ready(self) -> None:
        sys.stdout.write("not ready\n")
        sys.stdout.flush()

    async def drain(self) -> None:
        self.draining.set()


async def pid(request: Request) -> PlainTextResponse:
    return PlainTextResponse(sys.argv[2])


async def wait(request: Request) -> PlainTextResponse:
    sys.stdout.write("waiting\n")
    sys.stdout.flush()
    await request.app.draining.wait()
    return PlainTextResponse("finished")


async def finish(request: Request) -> PlainTextResponse:
    await request.app.drain()
    return PlainTextResponse("finishes")


async def fail(request: Request) -> PlainTextResponse:
    raise ValueError(request.query_params["text"])


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)


if __name__ == "__main__":
    configure_logging(development=False)
    settings = Settings(
        port=int(sys.argv[1]),
        own_port=int(sys.argv[2]),
        drain_s=float(sys.argv[3]),
        limits=Limits(**json.loads(sys.argv[4])),
    )
    raise SystemExit(run_api(Draining(), settings, among_others=True))
