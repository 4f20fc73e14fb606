"""A small HTTP/2 server for the fakes: prior knowledge in clear, or TLS with ALPN; on loopback.

What a request gets is the fake's own affair (`answer`); how the server misbehaves is the test's:
answers instead, silence, GOAWAY, a cut.
"""

import asyncio
import itertools
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

LOOPBACK = "127.0.0.1"
MAX_FRAME = 16_384


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""
    # Of the connection it came by, the first being 1.
    connection: int = 0


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


REFUSED = Reply(0)


class Http2Server:
    """Answers each request with `answer(request)`; a subclass is a provider."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, streams: int = 1000) -> None:
        self._tls = tls
        self.streams = streams
        self._server: asyncio.Server | None = None
        self._numbers = itertools.count(1)
        self._instead: Iterator[Reply | None] = iter(())
        self.port = 0
        self.connections: list[_Connection] = []
        self.opened = 0
        self.asked = 0
        # When each request came (monotonic).
        self.asked_at: list[float] = []
        self.reset = 0
        self.most_at_once = 0

    def answer(self, request: Request) -> Reply:
        raise NotImplementedError

    # ------------------------------------------------------------ how it misbehaves

    def answer_instead(self, reply: Reply, times: int | None = None) -> None:
        """The next so many requests, or all from now on, get this, whatever they say."""
        self._instead = itertools.repeat(reply) if times is None else itertools.repeat(reply, times)

    def hang(self, times: int | None = None) -> None:
        """Takes so many requests, or all from now on, and says nothing."""
        self._instead = itertools.repeat(None) if times is None else itertools.repeat(None, times)

    def refuse(self, times: int) -> None:
        """Resets so many streams as not taken (REFUSED_STREAM)."""
        self._instead = itertools.repeat(REFUSED, times)

    def recover(self) -> None:
        self._instead = iter(())

    def answer_late(self) -> None:
        """Answers what it has said nothing to."""
        self.recover()
        for connection in list(self.connections):
            connection.answer_late()

    def go_away(self) -> None:
        """Says so on every connection; what was asked before is answered, nothing after."""
        for connection in self.connections:
            connection.go_away()

    def cut(self) -> None:
        """Every connection ends without a word."""
        for connection in list(self.connections):
            connection.cut()

    @property
    def at_once(self) -> int:
        """Requests asked and not answered."""
        return sum(len(connection.asking) for connection in self.connections)

    # ------------------------------------------------------------ serving

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{LOOPBACK}:{self.port}"

    async def start(self, port: int = 0) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self, next(self._numbers)), LOOPBACK, port, ssl=self._tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self.cut()
            await self._server.wait_closed()

    def reply(self, request: Request) -> Reply | None:
        """None: never."""
        self.asked += 1
        self.asked_at.append(time.monotonic())
        try:
            return next(self._instead)
        except StopIteration:
            return self.answer(request)


class _Connection(asyncio.Protocol):
    def __init__(self, server: Http2Server, number: int) -> None:
        self._server = server
        self._number = number
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._leaving = False
        self.asking: dict[int, Request] = {}
        self._handlers: dict[type[Event], Callable[..., None]] = {
            RequestReceived: self._request,
            DataReceived: self._data,
            StreamEnded: self._ended,
            StreamReset: self._reset,
            WindowUpdated: self._window,
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not checked: uvloop's are not instances of it.
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections.append(self)
        self._server.opened += 1
        streams = {SettingCodes.MAX_CONCURRENT_STREAMS: self._server.streams}
        self._h2.local_settings = Settings(client=False, initial_values=streams)
        self._h2.initiate_connection()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.remove(self)

    def data_received(self, data: bytes) -> None:
        try:
            for event in self._h2.receive_data(data):
                if isinstance(event, ConnectionTerminated):
                    self._transport.close()
                elif handler := self._handlers.get(type(event)):
                    handler(event)
        except ProtocolError:
            self._flush()
            self._transport.close()
        self._flush()

    def allow(self, streams: int) -> None:
        self._h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: streams})

    def go_away(self) -> None:
        # By hand: h2 would refuse to answer what is still asked.
        last = max(self.asking, default=0)
        frame = (8).to_bytes(3) + b"\x07\x00" + bytes(4) + last.to_bytes(4) + bytes(4)
        self._transport.write(frame)
        self._leaving = True
        if not self.asking:
            self._transport.close()

    def cut(self) -> None:
        self._transport.abort()

    def _request(self, event: RequestReceived) -> None:
        if self._leaving:
            return
        headers = {str(name): str(value) for name, value in event.headers or ()}
        assert event.stream_id is not None
        self.asking[event.stream_id] = Request(
            headers[":method"], headers[":path"], headers, b"", self._number
        )
        self._server.most_at_once = max(self._server.most_at_once, self._server.at_once)

    def _data(self, event: DataReceived) -> None:
        assert event.stream_id is not None
        self._h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
        if event.stream_id in self.asking:
            self.asking[event.stream_id].body += event.data or b""

    def answer_late(self) -> None:
        for stream_id in list(self.asking):
            self._answer(stream_id)
        self._flush()

    def _ended(self, event: StreamEnded) -> None:
        if event.stream_id in self.asking:
            self._answer(event.stream_id)

    def _answer(self, stream_id: int) -> None:
        reply = self._server.reply(self.asking[stream_id])
        if reply is None:
            return
        del self.asking[stream_id]
        if reply is REFUSED:
            self._h2.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
            return
        headers = [(":status", str(reply.status)), *reply.headers.items()]
        self._h2.send_headers(stream_id, headers, end_stream=not reply.body)
        frames = [reply.body[at : at + MAX_FRAME] for at in range(0, len(reply.body), MAX_FRAME)]
        for frame in frames:
            self._h2.send_data(stream_id, frame, end_stream=frame is frames[-1])
        if self._leaving and not self.asking:
            self._flush()
            self._transport.close()

    def _reset(self, event: StreamReset) -> None:
        assert event.stream_id is not None
        self._server.reset += event.error_code == ErrorCodes.CANCEL
        self.asking.pop(event.stream_id, None)

    def _window(self, event: WindowUpdated) -> None:
        return

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self._transport.write(data)
