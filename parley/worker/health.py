"""Health of a worker, asked on a port of its own: /healthz and /readyz, as an API process.

It is answered by the event loop that works, so that a worker which hangs does not answer.
"""

import asyncio
from collections.abc import Callable

from parley.ports import own_socket

# A question is one short line; whoever takes longer to ask is no supervisor.
ASK_WITHIN_S = 5.0


class Health:
    """Answers while the worker lives; `ready` says whether it works."""

    def __init__(self, ready: Callable[[], bool]) -> None:
        self._ready = ready
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> None:
        """Listen on this port.

        Raises:
            SettingsError: another program has the port, or this user cannot bind it.
        """
        self._server = await asyncio.start_server(self._answer, sock=own_socket(host, port))

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(ASK_WITHIN_S):
                line = await reader.readuntil(b"\n")
                writer.write(b"HTTP/1.1 %s\r\ncontent-length: 0\r\n" % self._status(line))
                writer.write(b"connection: close\r\n\r\n")
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    def _status(self, line: bytes) -> bytes:
        if line.startswith(b"GET /healthz "):
            return b"200 OK"
        if line.startswith(b"GET /readyz "):
            return b"200 OK" if self._ready() else b"503 Service Unavailable"
        return b"404 Not Found"
