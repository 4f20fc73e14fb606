"""A client of the app: queries and mutations over HTTP, subscriptions over a websocket or as
server-sent events.

Every wait has a deadline. Nothing is retried, and nothing that comes is hidden, but that an inbox
is ready once more: a node says so after each repair, and makes one whenever a busy machine delayed
its own beat.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from resolvers.mutation_facts import MUTATIONS
from resolvers.mutation_facts import codes_of as codes_of_mutation
from tests.serving import Server

WITHIN_S = 60.0
PROTOCOL = "graphql-transport-ws"

Json = dict[str, Any]


@dataclass(slots=True)
class Ending:
    """How a stream ended. A stream that was cut has neither errors nor a completion."""

    complete: bool = False
    errors: list[Json] = field(default_factory=list)
    # Of the websocket, if that ended it.
    close_code: int | None = None

    @property
    def codes(self) -> list[str]:
        return codes_of(self.errors)


def require_told(name: str, answer: Any) -> None:
    """Check that a refusal's code is one that the description of its mutation names."""
    code = answer.get("code") if isinstance(answer, dict) else None
    if code is not None and name in MUTATIONS:
        assert code in {each.value for each in codes_of_mutation(name)}, (name, answer)


def codes_of(errors: list[Json]) -> list[str]:
    return [error["extensions"]["code"] for error in errors]


class Ended(Exception):
    def __init__(self, ending: Ending) -> None:
        super().__init__(f"the stream has ended: {ending}")
        self.ending = ending


class Stream(Protocol):
    async def event(self, within_s: float = WITHIN_S, *, repairs: bool = False) -> Any:
        """Return the next event: what the root field gave; with `repairs`, also that the inbox is
        ready once more. Raises `Ended`.
        """


@dataclass(slots=True)
class Readiness:
    """Whether a stream said that the inbox is ready."""

    told: bool = False

    def is_told_again(self, value: Any) -> bool:
        ready = isinstance(value, dict) and value.get("__typename") == "InboxReady"
        again = ready and self.told
        self.told |= ready
        return again


async def events(stream: Stream, count: int) -> list[Any]:
    return [await stream.event() for _ in range(count)]


async def until(stream: Stream, typename: str, within_s: float = WITHIN_S) -> list[Any]:
    """All events up to the first of this type, which is the last of them."""
    found: list[Any] = []
    async with asyncio.timeout(within_s):
        while not found or found[-1]["__typename"] != typename:
            found.append(await stream.event(within_s, repairs=typename == "InboxReady"))
    return found


async def added(stream: Stream) -> Any:
    """Return the next event but InboxReady; it is a MessageAdded."""
    event = await stream.event()
    while event["__typename"] == "InboxReady":
        event = await stream.event()
    assert event["__typename"] == "MessageAdded", event
    return event


async def ending(stream: Stream, within_s: float = WITHIN_S) -> Ending:
    """Return how the stream ends; events before that are dropped."""
    try:
        async with asyncio.timeout(within_s):
            while True:
                await stream.event(within_s)
    except Ended as ended:
        return ended.ending


def _root_value(answer: Json) -> Any:
    assert not answer.get("errors"), answer
    (value,) = answer["data"].values()
    return value


class Socket:
    """One websocket, message by message."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._ids = itertools.count(1)

    async def send(self, message: Json | str | bytes) -> None:
        text = json.dumps(message) if isinstance(message, dict) else message
        await self.connection.send(text)

    async def receive(self, within_s: float = WITHIN_S) -> Json:
        """Return the next message. Raises `Ended` when the socket was closed."""
        try:
            text = await asyncio.wait_for(self.connection.recv(), within_s)
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else 1006
            raise Ended(Ending(close_code=code)) from None
        assert isinstance(text, str), "a binary frame"
        message: Json = json.loads(text)
        return message

    async def close_code(self, within_s: float = WITHIN_S) -> int:
        """Return the code with which the server closes it; what comes before that is dropped."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    await self.receive(within_s)
        except Ended as ended:
            return ended.ending.close_code or 0

    async def init(self, token: str | None) -> Json:
        payload = {} if token is None else {"authorization": f"Bearer {token}"}
        await self.send({"type": "connection_init", "payload": payload})
        return await self.receive()

    async def subscribe(
        self, document: str, operation_id: str | None = None, /, **variables: Any
    ) -> "SocketStream":
        operation_id = operation_id or str(next(self._ids))
        payload = {"query": document, "variables": variables}
        await self.send({"id": operation_id, "type": "subscribe", "payload": payload})
        return SocketStream(self, operation_id)

    async def query(self, document: str, **variables: Any) -> Json:
        """Return the data of one query, on a socket where nothing else goes on."""
        stream = await self.subscribe(document, **variables)
        answer = await self.receive()
        assert answer["type"] == "next", answer
        assert await self.receive() == {"id": stream.id, "type": "complete"}
        assert "errors" not in answer["payload"], answer
        data: Json = answer["payload"]["data"]
        return data


@dataclass(slots=True)
class SocketStream:
    """The only subscription of a socket."""

    socket: Socket
    id: str
    readiness: Readiness = field(default_factory=Readiness)

    async def event(self, within_s: float = WITHIN_S, *, repairs: bool = False) -> Any:
        message = await self.socket.receive(within_s)
        assert message["id"] == self.id, message
        if message["type"] == "next":
            value = _root_value(message["payload"])
            if self.readiness.is_told_again(value) and not repairs:
                return await self.event(within_s)
            return value
        if message["type"] == "error":
            raise Ended(Ending(errors=message["payload"]))
        assert message == {"id": self.id, "type": "complete"}
        raise Ended(Ending(complete=True))

    async def complete(self) -> None:
        await self.socket.send({"id": self.id, "type": "complete"})


class EventStream:
    """One subscription as server-sent events."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()
        self._ending = Ending()
        self._readiness = Readiness()

    async def event(self, within_s: float = WITHIN_S, *, repairs: bool = False) -> Any:
        answer = await asyncio.wait_for(self._answer(), within_s)
        if "data" not in answer:
            self._ending.errors = answer["errors"]
            return await self.event(within_s)
        value = _root_value(answer)
        if self._readiness.is_told_again(value) and not repairs:
            return await self.event(within_s)
        return value

    async def _answer(self) -> Json:
        kind = ""
        async for line in self._lines:
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data" and kind == "next":
                answer: Json = json.loads(value)
                return answer
            elif name.startswith("data") and kind == "complete":
                self._ending.complete = True
        raise Ended(self._ending)


@asynccontextmanager
async def open_socket(
    server: Server,
    *,
    protocols: list[str] | None = None,
    headers: Mapping[str, str] | None = None,
    path: str = "/graphql",
) -> AsyncIterator[Socket]:
    """A socket on which nothing was said yet."""
    names = [PROTOCOL] if protocols is None else protocols
    async with connect(
        f"ws://{server.host}{path}",
        subprotocols=[Subprotocol(name) for name in names] or None,
        additional_headers=headers,
        compression=None,
        proxy=None,
        ping_interval=None,
        max_size=None,
        # Else a socket that is left with messages unread waits for its close in vain.
        max_queue=None,
        close_timeout=1,
    ) as connection:
        yield Socket(connection)


class ApiClient:
    """One device at one node; without a token, somebody who is not signed in."""

    def __init__(self, server: Server, token: str | None = None) -> None:
        self.server = server
        self.token = token

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.token is None else {"authorization": f"Bearer {self.token}"}

    async def post(self, document: str, **variables: Any) -> httpx2.Response:
        body = {"query": document, "variables": variables}
        return await self.server.http.post(self.server.url, json=body, headers=self.headers)

    async def query(self, document: str, **variables: Any) -> Json:
        """Return the data of an operation that has no errors."""
        answer = (await self.post(document, **variables)).json()
        assert "errors" not in answer, answer
        data: Json = answer["data"]
        return data

    async def mutate(self, document: str, **variables: Any) -> Any:
        """Return what the only root field gave."""
        ((name, value),) = (await self.query(document, **variables)).items()
        require_told(name, value)
        return value

    async def errors(self, document: str, **variables: Any) -> list[str]:
        """Return the codes of an answer's errors. It is never one of the server's own."""
        response = await self.post(document, **variables)
        assert response.status_code < 500, response.text
        return codes_of(response.json().get("errors", []))

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[Socket]:
        """A socket that was let in."""
        async with open_socket(self.server) as socket:
            assert await socket.init(self.token) == {"type": "connection_ack"}
            yield socket

    @asynccontextmanager
    async def follow(self, document: str, **variables: Any) -> AsyncIterator[SocketStream]:
        """A subscription on a socket of its own."""
        async with self.socket() as socket:
            yield await socket.subscribe(document, **variables)

    @asynccontextmanager
    async def listen(self, document: str, **variables: Any) -> AsyncIterator[EventStream]:
        """A subscription as server-sent events."""
        async with self.server.http.stream(
            "POST",
            self.server.url,
            json={"query": document, "variables": variables},
            headers={**self.headers, "accept": "text/event-stream"},
        ) as response:
            if not response.headers["content-type"].startswith("text/event-stream"):
                raise AssertionError(
                    f"no stream: {response.status_code} {await response.aread()!r}"
                )
            yield EventStream(response)
