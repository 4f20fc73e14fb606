"""What is measured: where it listens, how it is spoken to (a profile) and as whom (a world).

A profile is data, so that any GraphQL chat API can be measured: its documents, with `{conv}`,
`{text}`, `{uuid}`, `{token}` and `{after}` to be filled in. Where `subscribe` has no `{after}`,
followers begin with what is live.
"""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from bench.generator.wire import Header, Http, OnMessage, WebSocket, open_http, open_websocket

ACKNOWLEDGED_WITHIN_S = 20


class Profile(msgspec.Struct, frozen=True):
    path: str
    headers: dict[str, str]
    # The payload of `connection_init`.
    init: dict[str, str]
    send: dict[str, Any]
    subscribe: dict[str, Any]
    history: dict[str, Any]
    # The same stream with every fragment that a client's cache writes; None: as `subscribe`.
    subscribe_cached: dict[str, Any] | None = None
    # The stream of all that a person has, and saying up to where it is stored; None: the server has
    # neither.
    inbox: dict[str, Any] | None = None
    acknowledge: dict[str, Any] | None = None
    # What an answer holds only if it is a failure, besides `"errors"`.
    failures: list[str] = []


class Pair(msgspec.Struct, frozen=True):
    conv: str
    a: str
    b: str


class Group(msgspec.Struct, frozen=True):
    conv: str
    sender: str
    members: list[str]


class Membership(msgspec.Struct, frozen=True):
    conv: str
    token: str


class World(msgspec.Struct, frozen=True):
    """Ids and access tokens, as `python -m parley seed` and the peers' seeds write them."""

    pairs: list[Pair]
    group: Group
    history: Membership
    idle: list[Membership]


class Failed(Exception):
    """The measured server answered with an error, or lost or doubled a delivery."""


class Target:
    def __init__(
        self,
        profile: Profile,
        world: World,
        port: int,
        *,
        over: Literal["http", "ws"] = "http",
        deflate: bool = False,
        roots: Mapping[str, int] | None = None,
    ) -> None:
        self.profile = profile
        self.world = world
        self.port = port
        self.over = over
        self.deflate = deflate
        # Process trees whose CPU is counted, by name; the measured one is `server`.
        self.roots = dict(roots or {})
        self._failures = [b'"errors"', *(text.encode() for text in profile.failures)]
        self._templates: dict[int, str] = {}
        self._opened: list[Http | WebSocket] = []

    @classmethod
    def read(cls, profile: Path, world: Path, port: int, **options: Any) -> "Target":
        return cls(
            msgspec.json.decode(profile.read_bytes(), type=Profile),
            msgspec.json.decode(world.read_bytes(), type=World),
            port,
            **options,
        )

    def headers(self, token: str) -> list[Header]:
        return [(name, _fill(text, token=token)) for name, text in self.profile.headers.items()]

    def body(self, request: dict[str, Any], *, after: int | None = None, **values: object) -> bytes:
        """Return a request as JSON, filled in."""
        template = self._templates.get(id(request))
        if template is None:
            # As JavaScript's clients write it.
            template = json.dumps(request, separators=(",", ":"), ensure_ascii=False)
            self._templates[id(request)] = template
        text = _fill(template, **values)
        return text.replace('"{after}"', "null" if after is None else str(after)).encode()

    def check(self, answer: bytes, status: int = 200) -> bytes:
        """Return the answer, checked.

        Raises:
            Failed: it is not what was asked for.
        """
        if status != 200 or any(failure in answer for failure in self._failures):
            raise Failed(f"{status} {answer[:400].decode(errors='replace')}")
        return answer

    async def connect(self) -> Http:
        client = await open_http(self.port)
        self._opened.append(client)
        return client

    def close(self) -> None:
        """Hang up on everything that was opened."""
        for client in self._opened:
            client.close()
        self._opened.clear()

    @property
    def knows_positions(self) -> bool:
        return '"{after}"' in json.dumps(self.profile.subscribe)

    async def open_socket(self, token: str, on_message: OnMessage) -> WebSocket:
        """Return a socket whose `connection_init` was acknowledged."""
        path, headers = self.profile.path, self.headers(token)
        socket = await open_websocket(self.port, path, headers, deflate=self.deflate)
        self._opened.append(socket)
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def take(socket: WebSocket, payload: bytes) -> None:
            if payload.find(b'"ping"', 0, 40) >= 0:
                socket.send(b'{"type":"pong"}')
            elif acknowledged.done():
                on_message(socket, payload)
            elif b"connection_ack" in payload:
                acknowledged.set_result(None)

        socket.on_message = take
        init = {"type": "connection_init", "payload": self.profile.init}
        socket.send(_fill(json.dumps(init), token=token).encode())
        await asyncio.wait_for(acknowledged, ACKNOWLEDGED_WITHIN_S)
        return socket

    async def follow(
        self,
        token: str,
        conv: str,
        on_message: OnMessage,
        *,
        after: int | None = None,
        cached: bool = False,
    ) -> WebSocket:
        """Follow a conversation, from a position on where that is given; `cached` with the
        fragments that a client's cache writes.
        """
        socket = await self.open_socket(token, on_message)
        subscribe = (cached and self.profile.subscribe_cached) or self.profile.subscribe
        body = self.body(subscribe, after=after, conv=conv)
        socket.send(b'{"id":"s1","type":"subscribe","payload":%s}' % body)
        return socket


def _fill(text: str, /, **values: object) -> str:
    for name, value in values.items():
        text = text.replace("{" + name + "}", str(value))
    return text
