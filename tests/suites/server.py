"""A running server for the outside suites, and a proxy before it that cuts when it is told to."""

import asyncio
import os
import random
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from examples.client import Api, Device
from examples.server import ROOT, RunningServer, start_server
from parley.ports import free_port
from parley.supervision.probes import http_status
from tests.faults.proxy import Link, Proxy, proxy
from tests.waiting import eventually

# Tokens of the one process hold at the other.
SECRET = "a secret of the outside suites, of no use elsewhere"
# A short life of access tokens, so that the suites see sessions that expire.
ENVIRONMENT = {"PARLEY_ACCESS_TOKEN_TTL_S": "90", "PARLEY_SECRET": SECRET}
CUT_AFTER_BYTES = (500, 60_000)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the suites find the server: directly, through the proxy, and what cuts there; and a
    process with production's settings.
    """

    port: int
    proxy_port: int
    cutter_port: int
    production_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/graphql"

    def environment(self) -> dict[str, str]:
        """Return what the tools are told, with the token of somebody who has just signed in."""
        return {
            "PARLEY_URL": self.url,
            "PARLEY_PRODUCTION_URL": f"http://127.0.0.1:{self.production_port}/graphql",
            "PARLEY_TOKEN": asyncio.run(self._sign_in()),
            "PARLEY_PROXY_URL": f"http://127.0.0.1:{self.proxy_port}/graphql",
            "PARLEY_CUT_URL": f"http://127.0.0.1:{self.cutter_port}/",
        }

    async def _sign_in(self) -> str:
        api = Api(self.port)
        number = f"+1415{random.SystemRandom().randrange(2_000_000, 10_000_000)}"
        device = await Device.sign_in([api], number, "Suite")
        api.close()
        return device.token


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
        async with proxy(port) as between, production_api(server) as production_port:
            cutter = await asyncio.start_server(Cutter(between).answer, "127.0.0.1", 0)
            cutter_port = cutter.sockets[0].getsockname()[1]
            hand.addresses = Addresses(port, between.port, cutter_port, production_port)
            hand.loop, hand.stop = asyncio.get_running_loop(), asyncio.Event()
            hand.started.set()
            await hand.stop.wait()
            cutter.close()


@asynccontextmanager
async def production_api(server: RunningServer) -> AsyncIterator[int]:
    """A process before the same databases, with the settings of production."""
    port = free_port()
    environment = {
        **os.environ,
        "PARLEY_ENV": "production",
        "PARLEY_SECRET": SECRET,
        "PARLEY_PORT": "0",
        "PARLEY_OWN_PORT": str(port),
        "DATABASE_URL": server.address("postgresql").geturl(),
        "REDIS_URL": server.address("valkey").geturl(),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "parley", "serve"),
        cwd=ROOT,
        env=environment,
        # It has no storage: it says so, and no suite needs it.
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:

        async def is_over_or_ready() -> bool:
            status = await asyncio.to_thread(http_status, port, "/readyz")
            return process.returncode is not None or status == 200

        await eventually(is_over_or_ready)
        assert process.returncode is None, "the process did not start"
        yield port
    finally:
        process.terminate()
        await process.wait()


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
