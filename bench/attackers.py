"""Attackers: each takes a server's time with what one address or one account can send.

They run in a process of their own, by turns in one event loop, and count what they got done and
which answers were failures of the server (a status of 500 or more).
"""

import asyncio
import hashlib
import itertools
import json
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import cast

from bench.generator.measures import now
from bench.generator.target import Target
from bench.generator.wire import HOST, Header, frame, post

# The attackers' own address, so that budgets of an address do not touch the person's.
ATTACKER = "127.0.0.2"
WAIT_AFTER_REFUSAL_S = 0.05
Attack = Callable[["Attackers"], Awaitable[None]]


class Hose(asyncio.Protocol):
    """A connection that writes as fast as it may and keeps of what comes only the first bytes of
    each read.
    """

    def __init__(self, on_read: Callable[[bytes], None]) -> None:
        self.closed = asyncio.get_running_loop().create_future()
        self.on_read = on_read
        self._may_write = asyncio.Event()
        self._may_write.set()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._may_write.set()
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def data_received(self, data: bytes) -> None:
        self.on_read(data)

    async def write(self, data: bytes) -> bool:
        """Returns False when the server has closed the connection."""
        await self._may_write.wait()
        if self.closed.done():
            return False
        self.transport.write(data)
        return True


class Attackers:
    def __init__(self, target: Target, tokens: list[str], secs: float) -> None:
        self.target = target
        self.tokens = tokens
        self.until = now() + secs
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self._numbers = itertools.count()

    @property
    def goes_on(self) -> bool:
        return now() < self.until

    async def open(self, name: str) -> Hose:
        """Return a connection from the attackers' address. Waits and tries again where it is
        refused.
        """
        loop = asyncio.get_running_loop()
        while True:
            try:
                _, hose = await loop.create_connection(
                    lambda: Hose(lambda data: self._read(name, data)),
                    *(HOST, self.target.port),
                    local_addr=(ATTACKER, 0),
                )
            except OSError:
                self.counts[f"{name}: connections refused"] += 1
                await asyncio.sleep(WAIT_AFTER_REFUSAL_S)
                if not self.goes_on:
                    raise
            else:
                self.counts[f"{name}: connections"] += 1
                return hose

    def _read(self, name: str, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 "):
            status = data[9:12].decode()
            self.counts[f"{name}: HTTP {status}"] += 1
            if status.startswith("5"):
                self.failures.append(f"{name}: {data[:200]!r}")

    def unique(self) -> int:
        return next(self._numbers)

    async def post(self, name: str, bodies: Iterable[bytes], token: str | None = None) -> None:
        """One body after the other on one connection, each when the one before is answered."""
        answered = asyncio.Event()

        def read(data: bytes) -> None:
            self._read(name, data)
            answered.set()

        hose = await self.open(name)
        hose.on_read = read
        headers: list[Header] = [] if token is None else self.target.headers(token)
        for body in bodies:
            answered.clear()
            if not self.goes_on:
                break
            if hose.closed.done() or not await hose.write(post("/graphql", body, headers)):
                hose = await self.open(name)
                hose.on_read = read
                await hose.write(post("/graphql", body, headers))
            waiting = asyncio.ensure_future(answered.wait())
            await asyncio.wait(
                {waiting, hose.closed}, timeout=20, return_when=asyncio.FIRST_COMPLETED
            )
            waiting.cancel()
        hose.transport.abort()

    async def open_socket(self, name: str, token: str) -> Hose:
        hose = await self.open(name)
        lines = [
            "GET /graphql HTTP/1.1",
            f"Host: {HOST}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==",
            "Sec-WebSocket-Protocol: graphql-transport-ws",
            "\r\n",
        ]
        await hose.write("\r\n".join(lines).encode())
        init = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
        await asyncio.sleep(0.2)
        await hose.write(frame(json.dumps(init).encode()))
        await asyncio.sleep(0.2)
        return hose


# ------------------------------------------------------------------------ one account's attacks

LIST = "query L { channels(first: 20) { nodes { id lastSeq lastMessage { id text } } } }"


async def subscribe_and_complete(attackers: Attackers) -> None:
    """Operations on a websocket that are begun and completed at once, as fast as it takes them."""
    name = "subscribe+complete"
    token = attackers.tokens[attackers.unique() % len(attackers.tokens)]
    while attackers.goes_on:
        hose = await attackers.open_socket(name, token)
        payload = json.dumps({"query": LIST})
        alive = True
        while alive and attackers.goes_on:
            pairs = b"".join(
                frame(b'{"id":"%d","type":"subscribe","payload":%s}' % (number, payload.encode()))
                + frame(b'{"id":"%d","type":"complete"}' % number)
                for number in (attackers.unique() for _ in range(50))
            )
            alive = await hose.write(pairs)
            attackers.counts[f"{name}: pairs"] += 50
            await asyncio.sleep(0)
        hose.transport.abort()
        await asyncio.sleep(WAIT_AFTER_REFUSAL_S)


async def send(attackers: Attackers) -> None:
    """One account sends to a chat of its own in a closed loop."""
    place = attackers.unique() % len(attackers.target.world.pairs)
    pair = attackers.target.world.pairs[-1 - place]

    def bodies() -> Iterable[bytes]:
        while True:
            yield attackers.target.body(
                attackers.target.profile.send, conv=pair.conv, text="spam", uuid=uuid.uuid4()
            )

    await attackers.post("sends", bodies(), pair.a)


async def stream(attackers: Attackers) -> None:
    """As many streams of server-sent events of one device as it is let, each with a replay."""
    name = "streams"
    history = attackers.target.world.history
    query = (
        "subscription S($c: ID!) { messageAdded(channelId: $c, afterSeq: 99000) { id seq text } }"
    )
    body = json.dumps({"query": query, "variables": {"c": history.conv}}).encode()
    headers = [*attackers.target.headers(history.token), ("Accept", "text/event-stream")]
    raw = post("/graphql", body, headers).replace(b"Accept: application/json\r\n", b"")
    held: list[Hose] = []
    while attackers.goes_on:
        held = [hose for hose in held if not hose.closed.done()]
        if len(held) < 300:
            hose = await attackers.open(name)
            await hose.write(raw)
            held.append(hose)
            await asyncio.sleep(0.01)
        else:
            await asyncio.sleep(0.2)
    for hose in held:
        hose.transport.abort()


# ------------------------------------------------------------------------ anybody's attacks


def _nested(opening: str, closing: str, depth: int) -> str:
    return opening * depth + "1" + closing * depth


async def deep_variables(attackers: Attackers) -> None:
    """250 kB of variables, as deep as they go or as many containers as there is room for."""
    shapes = [
        _nested("[", "]", 60_000),
        _nested('{"a":', "}", 30_000),
        "[" + "[]," * 60_000 + "[]]",
        _nested("[", "]", 900).join(["[", "]"]),
        '["' + "\\u0000" * 30_000 + '"]',
    ]

    def bodies() -> Iterable[bytes]:
        for number in itertools.count():
            shape = shapes[number % len(shapes)]
            yield b'{"query":"query Q($v:JSON){__typename}","variables":{"v":%s}}' % shape.encode()

    await attackers.post("deep variables", bodies())


async def documents(attackers: Attackers) -> None:
    """6 kB documents that no cache holds: deep, wide, aliased."""

    def bodies() -> Iterable[bytes]:
        while True:
            number = attackers.unique()
            wide = " ".join(f"a{number}x{k}: __typename" for k in range(250))
            deep = "{ channels { nodes " * 100 + "{ id }" + "} }" * 100
            spread = "".join(f"fragment F{k} on Query {{ ...F{k + 1} }} " for k in range(150))
            for text in (
                f"query W{number} {{ {wide} }}",
                f"query D{number} {deep}",
                f"query F{number} {{ ...F0 }} {spread} fragment F150 on Query {{ __typename }}",
            ):
                yield json.dumps({"query": text}).encode()

    await attackers.post("documents", bodies())


async def unfinished_heads(attackers: Attackers) -> None:
    """Connections that begin a request and never finish its head, up to 400 at a time."""
    name = "unfinished heads"
    held: list[Hose] = []
    while attackers.goes_on:
        ended = [hose for hose in held if hose.closed.done()]
        attackers.counts[f"{name}: ended by the server"] += len(ended)
        held = [hose for hose in held if not hose.closed.done()]
        for _ in range(min(20, 400 - len(held))):
            hose = await attackers.open(name)
            await hose.write(b"POST /graphql HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            held.append(hose)
        for hose in held[::40]:
            await hose.write(b"a")
        await asyncio.sleep(0.1)
    attackers.counts[f"{name}: open at the end"] = sum(not hose.closed.done() for hose in held)
    for hose in held:
        hose.transport.abort()


async def _ask_for_ever(attackers: Attackers, name: str, requests: Sequence[bytes]) -> None:
    """One request after the other on one connection, each when the one before is answered."""
    hose, answered = await attackers.open(name), asyncio.Event()
    for request in itertools.cycle(requests):
        if not attackers.goes_on:
            break
        if hose.closed.done():
            hose = await attackers.open(name)

        def read(data: bytes) -> None:
            attackers._read(name, data)
            answered.set()

        hose.on_read = read
        answered.clear()
        await hose.write(request)
        waiting = asyncio.ensure_future(answered.wait())
        await asyncio.wait({waiting, hose.closed}, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
    hose.transport.abort()


def _get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {HOST}", *headers, "", ""]).encode()


async def pages(attackers: Attackers) -> None:
    """The pages that a browser asks for, on or off, and what is not there."""
    browser = "Accept: text/html,application/xhtml+xml,*/*;q=0.8"
    paths = ("/", "/graphql", "/schema.graphql", "/favicon.ico", "/explorer/explorer.js", "/no")
    await _ask_for_ever(attackers, "pages", [_get(path, browser) for path in paths])


async def long_headers(attackers: Attackers) -> None:
    """Headers of 300 kB, which are read into their parts; also those of an upgrade."""
    long = "a," * 150_000
    body = b'{"query":"{ limits { pageSize } }"}'
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    requests = [
        *(post("/graphql", body, [(name, long)]) for name in ("Accept", "Accept-Encoding")),
        post("/graphql", body, [("X", "x")] * 10_000),
        _get("/graphql", *upgrade, f"Sec-WebSocket-Protocol: {long}"),
    ]
    await _ask_for_ever(attackers, "long headers", requests)


async def persisted_documents(attackers: Attackers) -> None:
    """Hashes that nobody knows, hashes of another text, and texts that fill the place for them."""

    def bodies() -> Iterable[bytes]:
        while True:
            text = f"{{ limits {{ pageSize }} }} # {attackers.unique()} " + "x" * 15_000
            right = hashlib.sha256(text.encode()).hexdigest()
            for query, sha256 in ((None, right), (text, "0" * 64), (text, right)):
                persisted = {"version": 1, "sha256Hash": sha256}
                body: dict[str, object] = {"extensions": {"persistedQuery": persisted}}
                yield json.dumps(body if query is None else {**body, "query": query}).encode()

    await attackers.post("persisted documents", bodies())


ATTACKS: dict[Attack, int] = {
    subscribe_and_complete: 4,
    send: 8,
    stream: 1,
    deep_variables: 4,
    documents: 4,
    unfinished_heads: 1,
    pages: 2,
    long_headers: 2,
    persisted_documents: 2,
}


async def run_attacks(attackers: Attackers) -> None:
    """All at once, each as often as `ATTACKS` says, until their time is over."""
    running = [
        asyncio.ensure_future(attack(attackers))
        for attack, times in ATTACKS.items()
        for _ in range(times)
    ]
    for ended in await asyncio.gather(*running, return_exceptions=True):
        if isinstance(ended, BaseException):
            attackers.failures.append(f"attacker: {ended!r}")
