"""Frames and handshakes that are wrong on the level of the websocket itself: each closes its own
socket with the code that says why, and nobody can fill the log with them.
"""

import asyncio
import logging
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.client import PROTOCOL
from tests.live.holds import measured_holds
from tests.make import Person
from tests.serving import Server

TEXT, PING = 0x1, 0x9
FIN, MASKED = 0x80, 0x80

HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: %s\r\n%s\r\n"
)


def frame(first: int, payload: bytes, *, mask: bool = True) -> bytes:
    """One frame, masked with zeros."""
    size = len(payload)
    length = bytes([size]) if size < 126 else struct.pack("!BH", 126, size)
    length = bytes([length[0] | (MASKED if mask else 0)]) + length[1:]
    return bytes([first]) + length + (b"\0\0\0\0" if mask else b"") + payload


class Raw:
    """A connection without a client's good manners."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def status(self) -> bytes:
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 60)
        return head.split(b" ", 2)[1]

    async def close_code(self) -> int:
        """Of the first close frame; frames before it are dropped."""
        async with asyncio.timeout(60):
            while True:
                first, size = await self.reader.readexactly(2)
                if size == 126:
                    (size,) = struct.unpack("!H", await self.reader.readexactly(2))
                payload = await self.reader.readexactly(size)
                if first == FIN | 0x8:
                    return int(struct.unpack("!H", payload[:2])[0])


@asynccontextmanager
async def raw(server: Server, more: bytes = b"") -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(HANDSHAKE % (server.host.encode(), PROTOCOL.encode(), more))
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()


WRONG = {
    "not UTF-8": (frame(FIN | TEXT, b'{"type":"ping\xff"}'), 1007),
    "not UTF-8 over two frames": (frame(TEXT, b"\xc3") + frame(FIN, b"\x28"), 1007),
    "half a character": (frame(FIN | TEXT, "…".encode()[:2]), 1007),
    "a surrogate": (frame(FIN | TEXT, b"\xed\xa0\x80"), 1007),
    "not UTF-8 and more": (2 * frame(FIN | TEXT, b"\xff") + frame(FIN | PING, b""), 1007),
    "a close that is not UTF-8": (frame(FIN | 0x8, b"\x03\xe8\xff"), 1007),
    "unmasked": (frame(FIN | TEXT, b"{}", mask=False), 1002),
    "a reserved bit": (frame(FIN | 0x40 | TEXT, b"{}"), 1002),
    "an opcode that is none": (frame(FIN | 0x3, b""), 1002),
    "the rest of nothing": (frame(FIN, b""), 1002),
    "a ping in parts": (frame(PING, b""), 1002),
}


@pytest.mark.parametrize(("frames", "code"), WRONG.values(), ids=list(WRONG))
async def test_a_wrong_frame_closes_its_socket_and_fills_no_log(
    server: Server, caplog: pytest.LogCaptureFixture, frames: bytes, code: int
) -> None:
    with caplog.at_level(logging.INFO):
        async with raw(server) as connection:
            assert await connection.status() == b"101"
            connection.writer.write(frames)

            assert await connection.close_code() == code
            assert await asyncio.wait_for(connection.reader.read(), 60) == b""

    assert [r.message for r in caplog.records if r.levelno > logging.INFO] == []


@pytest.mark.parametrize(
    "more",
    [
        b"X-Strange: \xff\r\n",
        b"Sec-WebSocket-Key: second\r\n",
        b"Sec-WebSocket-Extensions: ;;;\r\n",
        b"Authorization: Bearer \xe2\x80\xa6\r\n",
    ],
)
async def test_a_wrong_handshake_fills_no_log(
    server: Server, caplog: pytest.LogCaptureFixture, more: bytes
) -> None:
    with caplog.at_level(logging.INFO):
        async with raw(server, more) as connection:
            assert await connection.status() in (b"101", b"400", b"403")

    assert [r.message for r in caplog.records if r.levelno > logging.INFO] == []


async def test_text_that_is_utf8_over_two_frames_is_taken(alice: Person) -> None:
    async with alice.socket() as socket:

        async def halves() -> AsyncIterator[bytes]:
            yield b'{"type":"ping","payload":{"x":"\xe2\x80'
            yield b'\xa6"}}'

        await socket.connection.send(halves(), text=True)

        assert await socket.receive() == {"type": "pong", "payload": {"x": "…"}}


async def test_who_sends_pings_and_reads_no_pong_is_ended(server: Server) -> None:
    """Else the pongs would wait in the server's memory without a bound."""
    pings = 4000 * frame(FIN | PING, b"x" * 125)

    async def flood(connection: Raw) -> None:
        for _ in range(100):  # 50 MB
            connection.writer.write(pings)
            await connection.writer.drain()

    async with raw(server) as connection:
        assert await connection.status() == b"101"
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(flood(connection), 60)


@pytest.mark.parametrize("text", [b'{"type":"ping"}', b'{"type":"pong"}', None], ids=str)
async def test_small_frames_that_come_at_once_do_not_hold_up_others(
    server: Server, text: bytes | None
) -> None:
    """All of them are taken, in slices."""
    one = frame(FIN | PING, b"") if text is None else frame(FIN | TEXT, text)
    async with raw(server) as connection:
        assert await connection.status() == b"101"
        async with measured_holds() as holds:
            connection.writer.write(one * 5000 + frame(FIN | 0x8, b"\x03\xe8"))
            read = await asyncio.wait_for(connection.reader.read(), 60)

    # Of what comes with the close, the last is not answered any more.
    answered = read.count(b"pong" if text else b"\x8a\x00")
    assert answered == 0 if text == b'{"type":"pong"}' else answered > 4800
    assert read.endswith(b"\x88\x02\x03\xe8")
    # There are fifteen slices of about the same size.
    assert holds.longest_s < holds.all_s / 3
