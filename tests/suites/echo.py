"""A websocket server that sends back what it gets, on the protocol class that Parley serves with:
what Autobahn's cases need. `python -m tests.suites.echo PORT`.
"""

import dataclasses
import sys
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from parley.ports import LOOPBACK
from parley.server import configuration
from parley.settings import Settings
from parley.transport.sockets.protocol import SocketProtocol

# Some cases send 16 MiB in one message.
LARGEST_BYTES = 32 * 1024 * 1024


class EchoProtocol(SocketProtocol):
    """Sends binary frames, too: Parley itself sends none."""

    async def send(self, message: Any) -> None:
        if message.get("bytes") is None:
            await super().send(message)
        else:
            await WebSocketsSansIOProtocol.send(self, message)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        kind = "text" if message.get("text") is not None else "bytes"
        await send({"type": "websocket.send", kind: message[kind]})


def main() -> None:
    settings = Settings()
    limits = dataclasses.replace(settings.limits, frame_bytes=LARGEST_BYTES)
    settings = dataclasses.replace(settings, limits=limits)
    server = configuration(echo, settings)
    server.ws, server.host, server.port = EchoProtocol, LOOPBACK, int(sys.argv[1])
    uvicorn.Server(server).run()


if __name__ == "__main__":
    main()
