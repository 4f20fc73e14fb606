"""A running server for the outside suites, and a proxy before it that cuts when it is told to."""

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from examples.server import start_server
from tests.faults.proxy import Link, Proxy, proxy

# A short life of access tokens, so that the suites see sessions that expire.
ENVIRONMENT = {"PARLEY_ACCESS_TOKEN_TTL_S": "90"}
CUT_AFTER_BYTES = (500, 60_000)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the suites find the server: directly, through the proxy, and what cuts there."""

    port: int
    proxy_port: int
    cutter_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/graphql"

    def environment(self) -> dict[str, str]:
        return {
            "PARLEY_URL": self.url,
            "PARLEY_PROXY_URL": f"http://127.0.0.1:{self.proxy_port}/graphql",
            "PARLEY_CUT_URL": f"http://127.0.0.1:{self.cutter_port}/",
        }


class Cutter:
    """Cuts the proxy's connections: all of them now (POST), or so many, each after a number of
    bytes that is drawn (POST ?times=20). GET says how many of those are left.
    """

    def __init__(self, between: Proxy) -> None:
        self._between = between
        self._left = 0
        self._random = random.Random(7)
        self._after: dict[Link, int] = {}
        between.to_client = self._judge

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split(" ", 2)
        if method == "POST":
            self._order(int(parse_qs(urlsplit(target).query).get("times", ["0"])[0]))
        body = str(self._left).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(body))
        writer.write(b"Connection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    def _order(self, times: int) -> None:
        self._left += times
        if not times:
            for link in tuple(self._between.links):
                link.cut()

    def _judge(self, link: Link, passing: bytes) -> int | None:
        if not self._left:
            return None
        first, last = CUT_AFTER_BYTES
        after = self._after.setdefault(
            link, link.to_client_bytes + self._random.randrange(first, last)
        )
        if link.to_client_bytes + len(passing) < after:
            return None
        self._left -= 1
        return max(0, after - link.to_client_bytes)


async def _serve(hand: "_Hand") -> None:
    async with start_server(api_processes=1, environment=ENVIRONMENT) as server:
        port = server.ports[0]
        async with proxy(port) as between:
            cutter = await asyncio.start_server(Cutter(between).answer, "127.0.0.1", 0)
            hand.addresses = Addresses(port, between.port, cutter.sockets[0].getsockname()[1])
            hand.loop, hand.stop = asyncio.get_running_loop(), asyncio.Event()
            hand.started.set()
            await hand.stop.wait()
            cutter.close()


class _Hand:
    """What the thread of the server hands over."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.addresses: Addresses
        self.loop: asyncio.AbstractEventLoop
        self.stop: asyncio.Event


@contextmanager
def running_server() -> Iterator[Addresses]:
    """Entered when it answers; it runs in a thread, beside the tools."""
    hand = _Hand()

    def serve() -> None:
        try:
            asyncio.run(_serve(hand))
        finally:
            hand.started.set()

    thread = threading.Thread(target=serve)
    thread.start()
    hand.started.wait()
    try:
        yield hand.addresses
    finally:
        hand.loop.call_soon_threadsafe(hand.stop.set)
        thread.join()
