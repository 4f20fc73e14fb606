"""Who passes a budget is heard more slowly on that connection, and nobody else is.

How long somebody waits is measured from below only. That others do not wait is seen beside a pause
that never ends, on a connection that the test holds by itself and takes away.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson
import pytest
import pytest_asyncio

from models.limits.limits import Budget
from tests.client import PROTOCOL, Json, Socket
from tests.engine.http.asgi import JSON, Client
from tests.make import Person
from tests.serving import ServedWith, Server
from tests.waiting import eventually

PAUSE_S = 0.3
NEVER_S = 3600
# What the loop's clock, which counts milliseconds, may be off by.
ROUNDED_S = 0.002
NONE = Budget(amount=0, window_s=60)
FEW = Budget(amount=20, window_s=600)

SET_TYPING = 'mutation { setTyping(channelId: "x", typing: true) { __typename } }'
SEARCH = '{ searchMessages(query: "x") { nodes { seq } } }'
PING: Json = {"type": "ping"}

refused = pytest.mark.parametrize("document", [SET_TYPING, SEARCH], ids=["mutation", "query"])


@pytest_asyncio.fixture
async def slow(served_with: ServedWith) -> AsyncIterator[Server]:
    """A node where nobody may type or search, and who tries waits for a moment."""
    async with served_with(
        typing_per_user=NONE, searches_per_user=NONE, refusal_pause_s=PAUSE_S
    ) as node:
        yield node


@pytest_asyncio.fixture
async def endless(served_with: ServedWith) -> AsyncIterator[Server]:
    """The same, but who tries waits for ever."""
    async with served_with(
        typing_per_user=NONE,
        searches_per_user=NONE,
        frames_per_user=FEW,
        refusal_pause_s=NEVER_S,
    ) as node:
        yield node


@refused
async def test_who_was_refused_waits_over_http(slow: Server, alice: Person, document: str) -> None:
    begun = _now()
    answer = await alice.at(slow).post(document)

    assert _now() - begun >= PAUSE_S - ROUNDED_S
    assert "RATE_LIMITED" in answer.text or document is SET_TYPING


@refused
async def test_a_socket_is_not_heard_for_a_while_after_a_refusal(
    slow: Server, alice: Person, document: str
) -> None:
    async with alice.at(slow).socket() as socket:
        await socket.subscribe(document)
        await socket.receive()
        begun = _now()
        await socket.send(PING)
        await _pong(socket)

        assert _now() - begun >= PAUSE_S - ROUNDED_S


@refused
async def test_nobody_else_waits_over_http(
    endless: Server, alice: Person, bob: Person, document: str
) -> None:
    body = orjson.dumps({"query": document})
    waiting = Client(endless.app).begin(headers=JSON | alice.headers, chunks=[body])
    try:
        for _ in range(3):
            assert await bob.at(endless).errors("{ viewer { id } }") == []

        assert not waiting.sent
        assert not waiting.task.done()
    finally:
        waiting.task.cancel()
        await asyncio.wait({waiting.task})


@refused
async def test_no_other_socket_waits_after_a_refusal(
    endless: Server, alice: Person, bob: Person, document: str
) -> None:
    subscribe: Json = {"id": "1", "type": "subscribe", "payload": {"query": document}}
    async with _socket_of(alice, endless) as socket:
        socket.send(subscribe)
        await eventually(lambda: socket.types.count("next"))
        socket.send(PING)
        await _hear(bob, endless)

        assert "pong" not in socket.types


async def test_who_sends_too_many_frames_is_heard_more_slowly_and_refused_nothing(
    served_with: ServedWith, alice: Person
) -> None:
    """Whatever is in them: these begin queries and complete them before they run."""
    async with (
        served_with(frames_per_user=FEW, refusal_pause_s=PAUSE_S) as node,
        alice.at(node).socket() as socket,
    ):
        begun = _now()
        for n in range(FEW.amount // 2):
            await socket.send(_brief(n))
            await socket.send({"id": str(n), "type": "complete"})
        await socket.send(PING)
        await _pong(socket)

        assert _now() - begun >= PAUSE_S - ROUNDED_S


async def test_nobody_else_is_heard_more_slowly_beside_too_many_frames(
    endless: Server, alice: Person, bob: Person
) -> None:
    async with _socket_of(alice, endless) as socket:
        for n in range(FEW.amount):
            socket.send(_brief(n))
        socket.send(PING)
        await _hear(bob, endless)

        assert "pong" not in socket.types


def _now() -> float:
    return asyncio.get_running_loop().time()


def _brief(n: int) -> Json:
    return {"id": str(n), "type": "subscribe", "payload": {"query": "{ a }"}}


async def _pong(socket: Socket) -> None:
    while (await socket.receive())["type"] != "pong":
        pass


async def _hear(bob: Person, node: Server) -> None:
    """Ask three times on a socket."""
    async with bob.at(node).socket() as socket:
        for _ in range(3):
            await socket.query("{ viewer { id } }")


@dataclass
class _Held:
    """A websocket without a network, whose task is the test's own."""

    incoming: asyncio.Queue[Json] = field(default_factory=asyncio.Queue)
    types: list[str] = field(default_factory=list)

    def send(self, message: Json) -> None:
        self.incoming.put_nowait(
            {"type": "websocket.receive", "text": orjson.dumps(message).decode()}
        )

    async def take(self, message: Json) -> None:
        assert message["type"] in ("websocket.accept", "websocket.send"), message
        self.types.append(orjson.loads(message.get("text", "{}")).get("type", ""))


@asynccontextmanager
async def _socket_of(person: Person, node: Server) -> AsyncIterator[_Held]:
    """A socket that was let in, and is taken away in the middle of what it waits for."""
    held = _Held()
    scope = {
        "type": "websocket",
        "path": "/graphql",
        "headers": [],
        "subprotocols": [PROTOCOL],
        "client": ("192.0.2.1", 5000),
    }
    held.incoming.put_nowait({"type": "websocket.connect"})
    held.send({"type": "connection_init", "payload": person.headers})
    running = asyncio.create_task(node.app(scope, held.incoming.get, held.take))  # type: ignore[arg-type]
    try:
        await eventually(lambda: "connection_ack" in held.types)
        yield held
    finally:
        running.cancel()
        await asyncio.wait({running})
