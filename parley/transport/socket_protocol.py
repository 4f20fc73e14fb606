"""uvicorn's websocket protocol, with two things added.

What is sent within one turn of the event loop goes out in one write: a batch of messages to a
hundred sockets is a hundred system calls, not eight hundred. And a close is written at once, also
to a client that does not read: a send waits until the client reads; a close must not, or a paused
client would keep its socket for ever. What it does not take within a few seconds is dropped with
the connection.
"""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

ABORT_AFTER_S = 8.0
# So much waits for the end of the turn; more goes out at once, and the transport says when to stop.
GATHERED_BYTES = 64 * 1024


class SocketProtocol(WebSocketsSansIOProtocol):
    _gathered = 0

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.send" and self._takes_frames():
            self._gather(message["text"].encode())
            return
        if message["type"] == "websocket.close" and self.handshake_complete:
            self.writable.set()
            self.loop.call_later(ABORT_AFTER_S, self.transport.abort)
        await super().send(message)

    def _takes_frames(self) -> bool:
        return (
            self.handshake_complete
            and self.writable.is_set()
            and not self.close_sent
            and not self.disconnected
            and not self.transport.is_closing()
        )

    def _gather(self, frame: bytes) -> None:
        # The frames wait within the connection, where a ping or a close takes them along, in order.
        self.conn.send_text(frame)
        if not self._gathered:
            self.loop.call_soon(self._flush)
        self._gathered += len(frame)
        if self._gathered > GATHERED_BYTES:
            self._flush()

    def _flush(self) -> None:
        self._gathered = 0
        output = self.conn.data_to_send()
        if output and not self.transport.is_closing():
            self.transport.write(b"".join(output))
