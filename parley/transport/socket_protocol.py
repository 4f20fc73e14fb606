"""uvicorn's websocket protocol, with one thing added: a close is written at once, also to a client
that does not read.

A send waits until the client reads; a close must not, or a paused client would keep its socket for
ever. What it does not take within a few seconds is dropped with the connection.
"""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

ABORT_AFTER_S = 8.0


class SocketProtocol(WebSocketsSansIOProtocol):
    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.close" and self.handshake_complete:
            self.writable.set()
            self.loop.call_later(ABORT_AFTER_S, self.transport.abort)
        await super().send(message)
