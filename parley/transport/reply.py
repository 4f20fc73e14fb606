"""Write the response to one HTTP request: its headers, and a body that is whole or in parts."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from http import HTTPStatus

from parley.engine.answers import Answer
from parley.transport.compression import compress
from parley.transport.http_protocol import ABORT, ON_LOST, WRITE_WHOLE
from parley.transport.request import GRAPHQL_JSON, PLAIN_JSON, Scope, Send

HeaderList = list[tuple[bytes, bytes]]
MoreHeaders = Sequence[tuple[bytes, bytes]]
WriteWhole = Callable[[Scope, bytes, bytes], bool]

_FIXED_HEADERS: HeaderList = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"vary", b"Accept, Accept-Encoding, Origin"),
]
_PREFLIGHT_HEADERS: HeaderList = [
    # PUT is answered with 405, which a page may read: that tells more than a refused preflight.
    (b"access-control-allow-methods", b"GET, POST, PUT"),
    (b"access-control-allow-headers", b"authorization, content-type, *"),
    (b"access-control-max-age", b"7200"),
]


class ClientGone(Exception):
    """The client has gone, so that nobody waits for an answer."""


class Reply:
    """Write one response. `begun` tells whether its head has been sent."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        # End the connection without a word, also with a client that takes none.
        self.abort: Callable[[], None] = scope["extensions"][ABORT]
        self._on_lost: Callable[[Callable[[], None] | None], None] = scope["extensions"][ON_LOST]
        self._write_whole: WriteWhole | None = scope["extensions"].get(WRITE_WHOLE)
        # Of the page that may read the answer.
        self._origin: bytes | None = None
        self.json_type = PLAIN_JSON
        # A body of this size or more is compressed, where the client can read it; 0: none is.
        self.compressed_bytes = 0
        self.encoding: bytes | None = None
        self.begun = False
        # The answer was given before the work had ended: what comes of that is not written.
        self.is_over = False
        self._last: asyncio.Task[None] | None = None

    @property
    def headers(self) -> HeaderList:
        """Return the headers that every response to this request has."""
        return _common_headers(self._origin)

    def allow_origin(self, origin: bytes) -> None:
        """Let a page of the origin, which is one, read the answer. There are no cookies, so no
        credentials.
        """
        self._origin = origin

    @contextmanager
    def while_awaited(self) -> Iterator[None]:
        """Cancel the work in this context when the client closes the connection.

        Raises:
            ClientGone: the client closed the connection.
        """
        task = asyncio.current_task()
        assert task is not None
        gone = False

        def cancel() -> None:
            nonlocal gone
            gone = True
            task.cancel()

        self._on_lost(cancel)
        try:
            yield
        except asyncio.CancelledError:
            if not gone:
                raise
            task.uncancel()
            raise ClientGone from None
        finally:
            self._on_lost(None)

    async def write_answer(self, answer: Answer) -> None:
        """Write the engine's answer, with the status that GraphQL over HTTP gives it."""
        refused = self.json_type == GRAPHQL_JSON and not answer.executed
        await self.write(400 if refused else 200, answer.body)

    async def write_preflight(self) -> None:
        await self.write(204, b"", [(b"allow", b"GET, POST, OPTIONS"), *_PREFLIGHT_HEADERS])

    def write_last(self, status: int, body: bytes, more: MoreHeaders = ()) -> None:
        """Begin to write the answer now, while the work goes on. Nothing else is written."""
        self._last = asyncio.create_task(self._write(status, body, more))
        self.is_over = True

    async def write(self, status: int, body: bytes, more: MoreHeaders = ()) -> None:
        if not self.is_over:
            await self._write(status, body, more)

    async def _write(self, status: int, body: bytes, more: MoreHeaders = ()) -> None:
        json_type = self.json_type if body else None
        encoding = None
        if self.encoding is not None and 0 < self.compressed_bytes <= len(body):
            encoding = self.encoding
            body = await compress(body, encoding)
        self.begun = True
        if not more and self._write_whole is not None:
            head = _make_head(status, self._origin, json_type, encoding)
            if self._write_whole(
                self._scope, b"%bcontent-length: %d\r\n" % (head, len(body)), body
            ):
                return
        headers = [*self.headers, *more, *_describe_body(json_type, encoding)]
        headers.append((b"content-length", str(len(body)).encode()))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def begin(self, headers: HeaderList) -> None:
        """Begin a response of unknown length."""
        self.begun = True
        await self._send(
            {"type": "http.response.start", "status": 200, "headers": [*self.headers, *headers]}
        )

    async def write_part(self, body: bytes, *, last: bool = False) -> None:
        """Write a part of the body; wait while the client does not read."""
        await self._send({"type": "http.response.body", "body": body, "more_body": not last})


def _common_headers(origin: bytes | None) -> HeaderList:
    if origin is None:
        return _FIXED_HEADERS
    return [*_FIXED_HEADERS, (b"access-control-allow-origin", origin)]


def _describe_body(json_type: bytes | None, encoding: bytes | None) -> HeaderList:
    headers: HeaderList = []
    if json_type is not None:
        headers.append((b"content-type", json_type + b"; charset=utf-8"))
    if encoding is not None:
        headers.append((b"content-encoding", encoding))
    return headers


@lru_cache(maxsize=256)
def _make_head(
    status: int, origin: bytes | None, json_type: bytes | None, encoding: bytes | None
) -> bytes:
    """Return the lines of a head that are the same for many answers."""
    headers = [*_common_headers(origin), *_describe_body(json_type, encoding)]
    first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
    return first + b"".join(b"%b: %b\r\n" % each for each in headers)
