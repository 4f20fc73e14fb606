"""Asks an ASGI app in this process, without a socket."""

import asyncio
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import orjson

from models.devices.sessions import Unauthenticated
from models.devices.viewer import Viewer
from models.limits.limits import Limits
from models.refusals import unavailable
from models.users.users import User
from parley.transport.http import GraphQLHTTP
from parley.transport.http_protocol import ABORT, ON_LOST
from parley.transport.origins import Origins
from tests.engine.toy import Context, make_engine

ADA = Viewer(User("ada", "Ada"), "device", datetime.max.replace(tzinfo=UTC))
JSON = {"content-type": "application/json"}


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def codes(self) -> list[str]:
        return [error["extensions"]["code"] for error in self.json["errors"]]


@dataclass
class Exchange:
    """One request under way: what the app sent so far, and what it is told next."""

    task: "asyncio.Task[None]"
    sent: list[Any] = field(default_factory=list)
    incoming: "asyncio.Queue[Any]" = field(default_factory=asyncio.Queue)
    outgoing: "asyncio.Queue[Any]" = field(default_factory=asyncio.Queue)
    # Cleared, the client takes nothing.
    flowing: asyncio.Event = field(default_factory=asyncio.Event)
    # The app has cut the connection.
    aborted: bool = False
    # The app has answered, or ended.
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def next_part(self) -> bytes:
        """Return the next piece of the body."""
        while True:
            message = await asyncio.wait_for(self.outgoing.get(), 60)
            if message["type"] == "http.response.body":
                body: bytes = message["body"]
                return body

    def disconnect(self) -> None:
        self.incoming.put_nowait({"type": "http.disconnect"})

    async def response(self) -> Response:
        """Return the whole answer, once it is there; the app may go on."""
        await asyncio.wait_for(self.answered.wait(), 60)
        if self.task.done():
            self.task.result()
        start = next(each for each in self.sent if each["type"] == "http.response.start")
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        parts = [each for each in self.sent if each["type"] == "http.response.body"]
        assert not parts[-1].get("more_body")
        return Response(start["status"], headers, b"".join(each["body"] for each in parts))


class Client:
    """Talks to one app."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def begin(
        self,
        method: str = "POST",
        *,
        headers: dict[str, str] | Iterable[tuple[str, str]] = JSON,
        chunks: Iterable[bytes] = (),
        query_string: bytes = b"",
        client: tuple[str, int] | None = ("192.0.2.1", 5000),
    ) -> Exchange:

        def abort() -> None:
            exchange.aborted = True
            exchange.flowing.set()
            exchange.disconnect()

        pairs = headers.items() if isinstance(headers, dict) else headers
        scope = {
            "type": "http",
            "method": method,
            "path": "/graphql",
            "query_string": query_string,
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in pairs],
            "client": client,
            "extensions": {ABORT: abort, ON_LOST: lambda on_lost: None},
        }

        async def run() -> None:
            try:
                await self.app(scope, exchange.incoming.get, send)
            finally:
                exchange.answered.set()

        async def send(message: Any) -> None:
            exchange.sent.append(message)
            await exchange.flowing.wait()
            exchange.outgoing.put_nowait(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                exchange.answered.set()

        exchange: Exchange = Exchange(asyncio.create_task(run()))
        exchange.flowing.set()
        for chunk in chunks:
            exchange.incoming.put_nowait({"type": "http.request", "body": chunk, "more_body": True})
        exchange.incoming.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        return exchange

    async def request(self, method: str = "POST", **options: Any) -> Response:
        return await self.begin(method, **options).response()

    async def post(self, payload: Any, **headers: str) -> Response:
        """Send a JSON value, or bytes as they are; `accept_charset="…"` names a header."""
        body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
        return await self.request(headers=_named(headers), chunks=[body])

    def follow(self, query: str, **headers: str) -> Exchange:
        """Ask for a stream of events."""
        named = _named({"accept": "text/event-stream", "authorization": "Bearer good", **headers})
        return self.begin(headers=named, chunks=[orjson.dumps({"query": query})])

    async def get(self, parameters: dict[str, str], **headers: str) -> Response:
        return await self.request(
            "GET", headers=_named(headers), query_string=urlencode(parameters).encode()
        )


def _named(headers: dict[str, str]) -> dict[str, str]:
    return JSON | {name.replace("_", "-"): value for name, value in headers.items()}


@dataclass
class App:
    """The HTTP app over the toy schema. Tokens: good, busy (no database); all others are bad."""

    context: Context = field(default_factory=Context)
    limits: Limits = field(default_factory=Limits)
    origins: Origins = field(default_factory=Origins)
    addresses: list[str] = field(default_factory=list)
    viewers: list[Any] = field(default_factory=list)
    heartbeat_s: float = 12.0

    def __post_init__(self) -> None:
        self.http = GraphQLHTTP(
            make_engine(self.limits),
            self._authenticate,
            self._make_context,
            self._hold_connection,
            self.limits,
            self.origins,
            heartbeat_s=self.heartbeat_s,
        )
        self.client = Client(self.http)

    async def _authenticate(self, authorization: str | None) -> Any:
        if authorization == "Bearer busy":
            raise unavailable()
        if authorization not in (None, "Bearer good"):
            raise Unauthenticated
        return authorization and ADA

    def _hold_connection(self, viewer: Any, address: str) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    def _make_context(self, viewer: Any, address: str) -> Context:
        self.viewers.append(viewer)
        self.addresses.append(address)
        return self.context
