"""`parley.server` around a small app of our own, as a process.

`python -m tests.embedded.serving PORT OWN_PORT [LIMITS]`, a supervisor's child as to the shared
port; limits are JSON.
"""

import asyncio
import json
import sys

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from models.limits import Limits
from parley.logs import configure_logging
from parley.server import run_api
from parley.settings import Settings


class Draining(Starlette):
    """Lets go of the request that waits only when it is told to drain."""

    def __init__(self) -> None:
        routes = [Route("/pid", pid), Route("/wait", wait), WebSocketRoute("/echo", echo)]
        super().__init__(routes=[*routes, Route("/fail", fail)])
        self.draining = asyncio.Event()

    async def drain(self) -> None:
        self.draining.set()


async def pid(request: Request) -> PlainTextResponse:
    return PlainTextResponse(sys.argv[2])


async def wait(request: Request) -> PlainTextResponse:
    sys.stdout.write("waiting\n")
    sys.stdout.flush()
    await request.app.draining.wait()
    return PlainTextResponse("finished")


async def fail(request: Request) -> PlainTextResponse:
    raise ValueError(request.query_params["text"])


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)


if __name__ == "__main__":
    configure_logging(development=False)
    limits = Limits(**json.loads(sys.argv[3] if len(sys.argv) > 3 else "{}"))
    settings = Settings(port=int(sys.argv[1]), own_port=int(sys.argv[2]), limits=limits)
    raise SystemExit(run_api(Draining(), settings, among_others=True))
