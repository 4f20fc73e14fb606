"""A raw HTTP/1.1 client and a raw websocket client, so that the generator costs little.

Nothing is parsed but lengths: what an answer holds is for the caller to search for in its bytes.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable
from typing import cast

HOST = "127.0.0.1"
Header = tuple[str, str]
OnMessage = Callable[["WebSocket", bytes], None]

_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_UNKNOWN = -1


class Http(asyncio.Protocol):
    """One connection that is kept, with one request in flight."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._head_bytes = 0
        self._whole_bytes = _UNKNOWN
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        _send_at_once(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("The server closed the connection."))

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer = self._buffer + data if self._buffer else data
        if self._whole_bytes == _UNKNOWN and not self._read_head(buffer):
            return
        if len(buffer) < self._whole_bytes:
            return
        self._buffer, self._whole_bytes = b"", _UNKNOWN
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result((int(buffer[9:12]), buffer[self._head_bytes :]))

    def _read_head(self, buffer: bytes) -> bool:
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = buffer[:end].lower() + b"\r\n"
        place = head.find(b"content-length:")
        if place < 0:
            raise ValueError("An answer without Content-Length is not understood here.")
        self._head_bytes = end + 4
        length = int(head[place + 15 : head.find(b"\r\n", place)])
        self._whole_bytes = self._head_bytes + length
        return True

    def request(self, raw: bytes) -> "asyncio.Future[tuple[int, bytes]]":
        """Status and body."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(raw)
        return self._answer

    def close(self) -> None:
        self._transport.close()


class WebSocket(asyncio.Protocol):
    """Calls `on_message` for each data frame; frames of one message are not put together."""

    def __init__(self, path: str, headers: Iterable[Header], *, deflate: bool) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed = False
        self.on_message: OnMessage = lambda _, __: None
        self._buffer = b""
        self._transport: asyncio.Transport
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {HOST}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==",
            "Sec-WebSocket-Protocol: graphql-transport-ws",
        ]
        if deflate:
            lines.append("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
        lines += [f"{name}: {value}" for name, value in headers]
        self._handshake = "\r\n".join([*lines, "", ""]).encode()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        _send_at_once(self._transport)
        self._transport.write(self._handshake)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("The server closed the connection."))

    def send(self, payload: bytes) -> None:
        self._transport.write(frame(payload))

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        if not self.opened.done():
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = buffer
                return
            if buffer[9:12] != b"101":
                self.opened.set_exception(ConnectionError(buffer[:200].decode()))
                self._transport.close()
                return
            self.opened.set_result(None)
            buffer = buffer[end + 4 :]
        self._buffer = self._read_frames(buffer)

    def _read_frames(self, buffer: bytes) -> bytes:
        """Return what is left: the beginning of a frame."""
        place, end = 0, len(buffer)
        while end - place >= 2:
            length, head = buffer[place + 1], 2
            if length == 126:
                head = 4
                length = int.from_bytes(buffer[place + 2 : place + 4], "big")
            elif length == 127:
                head = 10
                length = int.from_bytes(buffer[place + 2 : place + 10], "big")
            # A length that is cut off is read too small, but then its head does not fit either.
            if end - place < head or end - place < head + length:
                break
            self._take(buffer[place] & 15, buffer[place + head : place + head + length])
            place += head + length
        return buffer[place:]

    def _take(self, kind: int, payload: bytes) -> None:
        if kind < _CLOSE:
            self.on_message(self, payload)
        elif kind == _PING:
            self._transport.write(frame(payload, _PONG))
        elif kind == _CLOSE:
            self.closed = True
            self._transport.close()


async def open_http(port: int) -> Http:
    _, protocol = await asyncio.get_running_loop().create_connection(Http, HOST, port)
    return protocol


async def open_websocket(
    port: int, path: str, headers: Iterable[Header] = (), *, deflate: bool = False
) -> WebSocket:
    _, protocol = await asyncio.get_running_loop().create_connection(
        lambda: WebSocket(path, headers, deflate=deflate), HOST, port
    )
    await protocol.opened
    return protocol


def post(path: str, body: bytes, headers: Iterable[Header] = ()) -> bytes:
    """Return a POST of JSON as it goes over the wire."""
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {HOST}",
        "Content-Type: application/json",
        "Accept: application/json",
        *(f"{name}: {value}" for name, value in headers),
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def frame(payload: bytes, kind: int = _TEXT) -> bytes:
    """Return a client's frame, masked with zeros, which is allowed and costs nothing."""
    length = len(payload)
    if length < 126:
        head = struct.pack("!BB", 0x80 | kind, 0x80 | length)
    elif length < 65536:
        head = struct.pack("!BBH", 0x80 | kind, 0x80 | 126, length)
    else:
        head = struct.pack("!BBQ", 0x80 | kind, 0x80 | 127, length)
    return head + b"\0\0\0\0" + payload


def _send_at_once(transport: asyncio.Transport) -> None:
    transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
