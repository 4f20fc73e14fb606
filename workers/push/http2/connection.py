"""One HTTP/2 connection: streams, their flow control, and what the server says."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from hpack import HeaderTuple, NeverIndexedHeaderTuple

from workers.push.http2.protocol import PatientH2

Header = HeaderTuple | tuple[bytes, bytes]

MAX_ANSWER_BYTES = 64 * 1024


class NoAnswer(Exception):
    """Not reached, cut off, or no answer within the deadline. It may have been taken."""


class NotTaken(Exception):
    """The server said that it did nothing about it: it may be asked again at once."""


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: dict[bytes, bytes]
    body: bytes


def secret_header(name: bytes, value: bytes) -> HeaderTuple:
    """Return a header that no table keeps: it is a secret, or differs from request to request."""
    return NeverIndexedHeaderTuple(name, value)


@dataclass(slots=True, eq=False)
class _Stream:
    id: int
    asked_at: float
    answer: asyncio.Future[Response]
    unsent: bytes
    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""


class Connection(asyncio.Protocol):
    """From `greeted` on, for as long as it is `usable`, it is asked."""

    def __init__(self, silent_s: float) -> None:
        """Take the connection for dead when what was asked is given up and nothing was heard since,
        for `silent_s` or more.
        """
        self._silent_s = silent_s
        self._loop = asyncio.get_running_loop()
        self._h2 = PatientH2()
        self._streams: dict[int, _Stream] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._flushing = False
        self._heard_at = self._loop.time()
        self._transport: asyncio.Transport | None = None
        # Done when the server's settings have come: how many streams it allows.
        self.greeted: asyncio.Future[None] = self._loop.create_future()
        self.usable = False

    # ------------------------------------------------------------ asking

    async def ask(self, head: Sequence[Header], body: bytes) -> Response:
        await self._find_room()
        stream = self._ask(head, body)
        try:
            return await stream.answer
        except asyncio.CancelledError:
            self._give_up(stream)
            raise

    async def _find_room(self) -> None:
        while self.usable and self._full():
            room: asyncio.Future[None] = self._loop.create_future()
            self._waiting.append(room)
            try:
                await room
            finally:
                # Whoever is woken and leaves all the same wakes the next.
                if room.done() and not self._full():
                    self._wake()
        if not self.usable:
            raise NotTaken

    def _full(self) -> bool:
        return len(self._streams) >= self._h2.remote_settings.max_concurrent_streams

    def _wake(self) -> None:
        while self._waiting:
            room = self._waiting.popleft()
            if not room.done():
                room.set_result(None)
                return

    def _ask(self, head: Sequence[Header], body: bytes) -> _Stream:
        stream_id = self._h2.get_next_available_stream_id()
        answer: asyncio.Future[Response] = self._loop.create_future()
        stream = _Stream(stream_id, self._loop.time(), answer, body)
        self._h2.send_headers(stream_id, head)
        self._streams[stream_id] = stream
        self._send_body(stream)
        # Ids are 31 bits; a new connection starts again.
        self.usable = self.usable and stream_id < 2**31 - 3
        return stream

    def _send_body(self, stream: _Stream) -> None:
        """As much as the server has room for."""
        while stream.unsent:
            room = self._h2.local_flow_control_window(stream.id)
            room = min(room, self._h2.max_outbound_frame_size, len(stream.unsent))
            if room <= 0:
                break
            part, stream.unsent = stream.unsent[:room], stream.unsent[room:]
            self._h2.send_data(stream.id, part, end_stream=not stream.unsent)
        self._flush_soon()

    def _give_up(self, stream: _Stream) -> None:
        if self._streams.pop(stream.id, None) is None:
            return
        # The loop's clock stands still within a turn.
        if self._heard_at <= stream.asked_at < self._loop.time() - self._silent_s:
            self.lose("no answer in time")
            return
        self._reset(stream)
        self._after_a_stream()

    def _reset(self, stream: _Stream) -> None:
        # It may have ended in the same breath.
        with contextlib.suppress(ProtocolError):
            self._h2.reset_stream(stream.id, ErrorCodes.CANCEL)
        self._flush_soon()

    def _after_a_stream(self) -> None:
        self._wake()
        if not self.usable and not self._streams:
            self.close()

    # ------------------------------------------------------------ the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not checked: uvloop's are not instances of it.
        self._transport = cast(asyncio.Transport, transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            self.lose("speaks no HTTP/2")
            return
        self._h2.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        try:
            for event in self._h2.receive_data(data):
                if (heed := _HEEDED.get(type(event))) is not None:
                    heed(self, event)
        except ProtocolError:
            self.lose("speaks no HTTP/2")
            return
        self._flush_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lose("cut off")

    def close(self) -> None:
        """Whoever still waits hears of it."""
        if self._transport is not None and not self._transport.is_closing():
            self._h2.close_connection()
            self._flush()
            self._transport.close()
        self.lose("cut off")

    def lose(self, why: str) -> None:
        self.usable = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.abort()
        if not self.greeted.done():
            self.greeted.set_exception(ConnectionError(why))
            # Whoever opened it may be gone.
            self.greeted.exception()
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            _fail(stream, NoAnswer(why))
        for room in self._waiting:
            if not room.done():
                room.set_result(None)

    def _flush_soon(self) -> None:
        """Once for all that this turn of the loop has to say."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._transport is None or self._transport.is_closing():
            return
        if data := self._h2.data_to_send():
            self._transport.write(data)

    # ------------------------------------------------------------ what the server says

    def _settings(self, event: RemoteSettingsChanged) -> None:
        if not self.greeted.done():
            self.usable = True
            self.greeted.set_result(None)
        for _ in range(len(self._waiting)):
            self._wake()
        self._window(event)

    def _window(self, _: Any) -> None:
        for stream in list(self._streams.values()):
            if stream.unsent:
                self._send_body(stream)

    def _response(self, event: ResponseReceived) -> None:
        stream = self._streams.get(event.stream_id or 0)
        if stream is not None:
            stream.headers = {bytes(name): bytes(value) for name, value in event.headers or ()}
            stream.status = int(stream.headers.get(b":status", b"0"))

    def _data(self, event: DataReceived) -> None:
        stream_id = event.stream_id or 0
        self._h2.acknowledge_received_data(event.flow_controlled_length or 0, stream_id)
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        stream.body += event.data or b""
        if len(stream.body) > MAX_ANSWER_BYTES:
            del self._streams[stream_id]
            self._reset(stream)
            _fail(stream, NoAnswer("too long an answer"))
            self._after_a_stream()

    def _ended(self, event: StreamEnded) -> None:
        stream = self._streams.pop(event.stream_id or 0, None)
        if stream is None:
            return
        if stream.unsent:
            self._reset(stream)
        if not stream.answer.done():
            stream.answer.set_result(Response(stream.status, stream.headers, stream.body))
        self._after_a_stream()

    def _stream_reset(self, event: StreamReset) -> None:
        stream = self._streams.pop(event.stream_id or 0, None)
        if stream is None:
            return
        refused = event.error_code == ErrorCodes.REFUSED_STREAM
        _fail(stream, NotTaken() if refused else NoAnswer("reset"))
        self._after_a_stream()

    def _leaving(self, event: ConnectionTerminated) -> None:
        """Answers what it has taken (RFC 9113 §6.8); the rest is asked on another connection."""
        self.usable = False
        for stream_id in [one for one in self._streams if one > (event.last_stream_id or 0)]:
            _fail(self._streams.pop(stream_id), NotTaken())
        for _ in range(len(self._waiting)):
            self._wake()
        self._after_a_stream()


def _fail(stream: _Stream, error: Exception) -> None:
    if not stream.answer.done():
        stream.answer.set_exception(error)


_HEEDED: dict[type[Event], Any] = {
    RemoteSettingsChanged: Connection._settings,
    WindowUpdated: Connection._window,
    ResponseReceived: Connection._response,
    DataReceived: Connection._data,
    StreamEnded: Connection._ended,
    StreamReset: Connection._stream_reset,
    ConnectionTerminated: Connection._leaving,
}
