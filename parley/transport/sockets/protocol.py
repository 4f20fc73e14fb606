"""uvicorn's websocket protocol, with these things added.

- What is sent within one turn of the event loop goes out in one write: a batch of messages to a
  hundred sockets is a hundred system calls, not eight hundred.
- A close is written at once, also to a client that does not read: a send waits until the client
  reads; a close must not, or a paused client would keep its socket for ever. What it does not take
  within a few seconds is dropped with the connection.
- Text that is not UTF-8 closes the socket (1007) without an entry in the log.
- Who sends pings and takes no pongs is ended: pongs wait for nobody, and would fill the memory.
- What one client sent is read in slices, one in each turn of the event loop: ten thousand small
  frames come in one read, and would hold up everybody else for as long as they take.
- A head that `websockets` does not take (a line of more than 8 KiB, more than 128 fields) is
  answered with 431 and ends the connection, which would stay open without an answer for ever.
- An open socket keeps neither its request nor its headers, and waits with less: a third of what it
  takes of memory.
"""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from models.flag import Flag

# With `stopped_reader_s`, in which a client that stopped reading is noticed: within 10 s.
ABORT_AFTER_S = 4.0
# So much waits for the end of the turn; more goes out at once, and the transport says when to stop.
GATHERED_BYTES = 64 * 1024
# What the transport may hold of a client that only sends pings.
UNREAD_BYTES = 2 * 1024 * 1024
# Some hundred of the smallest frames, or one that is as large as most are.
SLICE_BYTES = 2 * 1024
HEAD_REFUSED = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class _Mailbox:
    """Holds what a socket's one reader takes: `asyncio.Queue` in 150 bytes, not 3,000."""

    __slots__ = ("_any", "_messages")

    def __init__(self) -> None:
        self._messages: list[Any] = []
        self._any = Flag()

    def empty(self) -> bool:
        return not self._messages

    def put_nowait(self, message: Any) -> None:
        self._messages.append(message)
        self._any.set()

    async def get(self) -> Any:
        await self._any.wait()
        message = self._messages.pop(0)
        if not self._messages:
            self._any.clear()
        return message


class SocketProtocol(WebSocketsSansIOProtocol):
    _gathered = 0

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.queue = _Mailbox()  # type: ignore[assignment]
        self.writable = Flag(is_set=True)  # type: ignore[assignment]
        # What has come and is not read yet.
        self._pending = bytearray()

    def data_received(self, data: bytes) -> None:
        if self._pending:
            self._pending += data
            self._pause_reading()
        elif len(data) <= SLICE_BYTES:
            super().data_received(data)
        else:
            self._pending += data
            self._pause_reading()
            self._read_slice()

    def _read_slice(self) -> None:
        piece = bytes(self._pending[:SLICE_BYTES])
        del self._pending[:SLICE_BYTES]
        if self.transport.is_closing():
            self._pending.clear()
            return
        super().data_received(piece)
        if self._pending:
            self.loop.call_soon(self._read_slice)
        elif self.queue.empty():
            self._resume_reading()

    def handle_events(self) -> None:
        super().handle_events()
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.transport.write(HEAD_REFUSED)
            self.transport.close()

    async def receive(self) -> Any:
        message = await self.queue.get()
        if self.queue.empty() and not self._pending:
            self._resume_reading()
        return message

    def _pause_reading(self) -> None:
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.send" and self._takes_frames():
            self._gather(message["text"].encode())
            return
        if message["type"] == "websocket.close" and self.handshake_complete:
            self.writable.set()
            self.loop.call_later(ABORT_AFTER_S, self.transport.abort)
        await super().send(message)
        if message["type"] == "websocket.accept":
            self._forget_request()

    def _forget_request(self) -> None:
        # `websockets` keeps the request while it reads frames.
        self.request.headers.clear()
        del self.request, self.response
        self.scope["headers"] = []

    def send_receive_event_to_app(self) -> None:
        if (
            self.curr_msg_data_type == "text"
            and not self.close_sent
            and not _is_utf8(b"".join(self.frames))
        ):
            self.frames = []
            self.conn.fail(1007, "Text must be UTF-8")
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        super().handle_ping()
        if self.transport.get_write_buffer_size() > UNREAD_BYTES and not self.writable.is_set():
            self.transport.abort()

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


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
