"""Requests to one provider over one HTTP/2 connection, multiplexed, and opened again when lost.

On h2 itself, for three reasons: httpx2 costs three to five times its CPU a push; it does not reset
a stream that it gives up, so that streams without an answer use the connection up; and it fails
what a leaving server (GOAWAY) has taken and still answers. Nothing here logs.
"""

import asyncio
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

from h2.exceptions import ProtocolError

from workers.push.http2.connection import (
    Connection,
    Header,
    NoAnswer,
    NotTaken,
    Response,
    secret_header,
)


def default_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    return context


class Http2Client:
    """Posts to one origin, at most `concurrency` requests at once."""

    def __init__(
        self,
        url: str,
        *,
        concurrency: int,
        deadline_s: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._tls = (tls or default_tls()) if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._base = parts.path.rstrip("/").encode()
        self._deadline_s = deadline_s
        self._slots = asyncio.Semaphore(concurrency)
        self._opening = asyncio.Lock()
        self._connection: Connection | None = None
        self._head: tuple[Header, ...] = (
            (b":method", b"POST"),
            (b":scheme", parts.scheme.encode()),
            (b":authority", parts.netloc.rpartition("@")[2].encode()),
        )

    async def post(self, path: bytes, headers: Sequence[Header], body: bytes) -> Response:
        """Ask, within the deadline.

        Raises:
            NoAnswer: there was none.
        """
        head = (*self._head, secret_header(b":path", self._base + path), *headers)
        try:
            async with asyncio.timeout(self._deadline_s), self._slots:
                return await self._ask(head, body)
        except TimeoutError:
            raise NoAnswer("no answer in time") from None
        except (OSError, ProtocolError):
            raise NoAnswer("not reached") from None

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    async def _ask(self, head: Sequence[Header], body: bytes) -> Response:
        for _ in range(3):
            connection = await self._connected()
            try:
                return await connection.ask(head, body)
            except NotTaken:
                continue
        raise NoAnswer("turned away")

    async def _connected(self) -> Connection:
        if (connection := self._usable()) is not None:
            return connection
        async with self._opening:
            if (connection := self._usable()) is not None:
                return connection
            self._connection = await self._open()
            return self._connection

    def _usable(self) -> Connection | None:
        connection = self._connection
        return connection if connection is not None and connection.usable else None

    async def _open(self) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(silent_s=self._deadline_s / 2),
            self._host,
            self._port,
            ssl=self._tls,
            server_hostname=self._host if self._tls else None,
        )
        try:
            await connection.greeted
        except BaseException:
            connection.lose("not reached")
            raise
        return connection
