"""GraphQL over websockets: the graphql-transport-ws protocol, and nothing of the older one.

A subscription's events are written as they come (a feed calls its sink); a client that falls behind
the bound of its socket is closed with 1013 and resumes by position. Close codes are those of
ARCHITECTURE.md.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import datetime
from typing import Any, cast

import msgspec
import orjson

from models.events import Occurrence, StreamCut, TooFarBehind
from models.limits import Limits
from models.refusals import Refused
from models.sessions import Sessions, Unauthenticated
from models.viewer import Viewer
from parley.engine.documents import Operation
from parley.engine.errors import DocumentRefused, format_errors, wrap_error
from parley.engine.executor import Engine
from parley.engine.sharing import make_renderer
from parley.transport.origins import Origins
from parley.transport.socket_writer import Send, SocketWriter
from schema.context import Context
from subscriptions.feed import Feed
from subscriptions.presence import NodePresence
from subscriptions.session_watch import SessionWatch

logger = logging.getLogger("parley.socket")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
MakeContext = Callable[[Viewer | None, str], Context]

PROTOCOL = "graphql-transport-ws"


class ClientMessage(msgspec.Struct):
    type: str
    id: str | None = None
    payload: Any = None


class Request(msgspec.Struct):
    query: str
    operationName: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(ClientMessage).decode


class Close(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class GraphQLWebSocket:
    """The ASGI app for websockets; one `Socket` each."""

    def __init__(
        self,
        engine: Engine,
        sessions: Sessions,
        watch: SessionWatch,
        presence: NodePresence,
        make_context: MakeContext,
        limits: Limits,
        origins: Origins,
    ) -> None:
        self.engine = engine
        self.sessions = sessions
        self.watch = watch
        self.presence = presence
        self.make_context = make_context
        self.limits = limits
        self.origins = origins
        self.sockets: set[Socket] = set()
        self.draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if self.draining or not self.origins.allows(scope):
            await send({"type": "websocket.close", "code": 1008})
            return
        if PROTOCOL not in scope.get("subprotocols", ()):
            await send({"type": "websocket.accept"})
            await send(
                {"type": "websocket.close", "code": 4406, "reason": "Subprotocol not acceptable"}
            )
            return
        await send({"type": "websocket.accept", "subprotocol": PROTOCOL})
        socket = Socket(self, self.origins.client_address(scope), send)
        self.sockets.add(socket)
        try:
            await socket.run(receive)
        finally:
            self.sockets.discard(socket)

    async def drain(self, over_s: float = 1.0) -> None:
        """No new sockets; those that are open close with 1012, spread out."""
        self.draining = True
        sockets = list(self.sockets)
        pause_s = over_s / max(1, len(sockets))
        for socket in sockets:
            socket.close(1012, "Service restart")
            await asyncio.sleep(pause_s if pause_s > 0.001 else 0)


class Socket:
    """One connection: who is on it, and what runs on it."""

    def __init__(self, server: GraphQLWebSocket, client_address: str, send: Send) -> None:
        self.server = server
        self._client_address = client_address
        self._send = send
        limits = server.limits
        self.writer = SocketWriter(
            send,
            queued_events=limits.queued_events_per_socket,
            queued_bytes=limits.queued_bytes_per_socket,
            on_overflow=lambda: self.close(1013, "Too slow: connect again and resume by position"),
        )
        self._init_received = False
        self._acknowledged = False
        self._viewer: Viewer | None = None
        self._operations: dict[str, _Running] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._stop_watching: Callable[[], None] | None = None
        self._let_go: Callable[[], None] | None = None
        self._init_timer = asyncio.get_running_loop().call_later(
            limits.connection_init_s, self.close, 4408, "Connection initialisation timeout"
        )

    async def run(self, receive: Receive) -> None:
        try:
            while True:
                message = await receive()
                if message["type"] == "websocket.disconnect":
                    return
                if not self._closing:
                    await self._take(message)
        finally:
            self._end_everything()

    async def _take(self, message: MutableMapping[str, Any]) -> None:
        try:
            await self._dispatch(_parse(message))
        except Close as close:
            self.close(close.code, close.reason)

    async def _dispatch(self, message: ClientMessage) -> None:
        match message.type:
            case "connection_init":
                await self._init(message.payload)
            case "ping":
                self._write(
                    {"type": "pong"}
                    | ({} if message.payload is None else {"payload": message.payload})
                )
            case "pong":
                return
            case "subscribe":
                self._subscribe(message)
            case "complete":
                running = self._operations.pop(message.id or "", None)
                if running is not None:
                    running.stop()
            case _:
                raise Close(4400, "Invalid message type")

    async def _init(self, payload: Any) -> None:
        if self._init_received:
            raise Close(4429, "Too many initialisation requests")
        self._init_received = True
        self._init_timer.cancel()
        if payload is not None and not isinstance(payload, dict):
            raise Close(4400, "Invalid connection_init payload")
        authorization = _authorization(payload or {})
        try:
            self._viewer = await self.server.sessions.authenticate(authorization)
        except Unauthenticated:
            raise Close(4401, "Unauthorized") from None
        except Refused:
            raise Close(1013, "Try again later") from None
        if self._viewer is not None:
            self._stop_watching = self.server.watch.follow(self._viewer, self)
            self._let_go = self.server.presence.hold(self._viewer.user.id)
        self._acknowledged = True
        self._write({"type": "connection_ack"})

    def _subscribe(self, message: ClientMessage) -> None:
        if not self._acknowledged:
            raise Close(4401, "Unauthorized")
        if not message.id:
            raise Close(4400, "A subscribe message needs an id")
        try:
            request = msgspec.convert(message.payload, Request)
        except msgspec.ValidationError:
            raise Close(4400, "Invalid subscribe payload") from None
        if message.id in self._operations:
            raise Close(4409, f"Subscriber for {message.id[:64]} already exists")
        if len(self._operations) >= self.server.limits.operations_per_socket:
            self.write_errors(
                message.id, [_error("Too many operations on one socket.", "LIMIT_EXCEEDED")]
            )
            return
        running = _Running(self, message.id)
        self._operations[message.id] = running
        task = asyncio.create_task(self._run(running, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, running: "_Running", request: Request) -> None:
        """One operation, from its document to its end."""
        try:
            await self._execute(running, request)
        except StreamCut as cut:
            self.close(cut.close_code, cut.reason)
        except Exception as error:
            running.fail(_errors_of(error))

    async def _execute(self, running: "_Running", request: Request) -> None:
        engine = self.server.engine
        operation = engine.prepare(request.query, request.operationName)
        if self._viewer is None and not operation.public:
            raise operation.refusal_of_anonymous()
        if operation.kind == "subscription":
            await running.stream(operation, request.variables)
        else:
            if self._viewer is not None:
                self._viewer = await self.server.sessions.look_again(self._viewer)
            answer = await engine.execute(operation, request.variables, self.context())
            running.next(answer.decode())
            running.complete()

    def context(self) -> Context:
        return self.server.make_context(self._viewer, self._client_address)

    def _write(self, message: dict[str, Any]) -> None:
        self.writer.write(orjson.dumps(message).decode())

    def write_errors(self, operation_id: str, errors: list[dict[str, Any]]) -> None:
        self._write({"id": operation_id, "type": "error", "payload": errors})

    def finished(self, operation_id: str, running: "_Running") -> bool:
        """Take an operation off the list; whether it was still on it."""
        if self._operations.get(operation_id) is not running:
            return False
        del self._operations[operation_id]
        return True

    # ---------------------------------------------------------------- the end

    def session_expiring(self, expires_at: datetime) -> None:
        """The feeds say so themselves."""

    def session_over(self) -> None:
        self.close(4401, "Session over")

    def close(self, code: int, reason: str) -> None:
        """Close from our side; what runs ends now, what is queued is dropped."""
        if self._closing:
            return
        self._closing = True
        self.writer.close()
        self._end_everything()
        task = asyncio.ensure_future(self._close(code, reason))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _close(self, code: int, reason: str) -> None:
        try:
            await self._send({"type": "websocket.close", "code": code, "reason": reason[:120]})
        except Exception:
            return

    def _end_everything(self) -> None:
        self._init_timer.cancel()
        self.writer.close()
        if self._stop_watching is not None:
            self._stop_watching()
            self._stop_watching = None
        if self._let_go is not None:
            self._let_go()
            self._let_go = None
        for running in list(self._operations.values()):
            running.stop()
        self._operations.clear()


class _Running:
    """One operation on a socket. A stream's events are rendered in order, most of them without
    waiting.
    """

    def __init__(self, socket: Socket, operation_id: str) -> None:
        self._socket = socket
        self._id = operation_id
        self._prefix = '{"id":' + orjson.dumps(operation_id).decode() + ',"type":"next","payload":'
        self._feed: Feed | None = None
        self._stopped = False
        # Occurrences whose rendering has to wait, or that wait behind one.
        self._later: deque[Occurrence] = deque()
        self._rendering: asyncio.Task[None] | None = None
        self._render: Callable[[Occurrence], str | Awaitable[str]]

    def next(self, text: str) -> None:
        if not self._stopped:
            self._socket.writer.write(self._prefix + text + "}")

    def complete(self) -> None:
        if self._socket.finished(self._id, self):
            self._socket.writer.write(
                '{"id":' + orjson.dumps(self._id).decode() + ',"type":"complete"}'
            )

    def fail(self, errors: list[dict[str, Any]]) -> None:
        if self._socket.finished(self._id, self):
            self._socket.write_errors(self._id, errors)

    def stop(self) -> None:
        """The client completed it, or the socket ends. A mutation under way still runs to its
        end.
        """
        self._stopped = True
        self._later.clear()
        if self._feed is not None:
            self._feed.end()

    async def stream(self, operation: Operation, variables: dict[str, Any] | None) -> None:
        engine, socket = self._socket.server.engine, self._socket
        source = await engine.subscribe(operation, variables, socket.context())
        if isinstance(source, bytes):
            self.fail(orjson.loads(source)["errors"])
            return
        feed = self._feed = cast(Feed, source)
        if self._stopped:
            feed.end()
            return

        self._render = make_renderer(engine, operation, variables, socket.context)
        try:
            await self._replay(feed)
            if feed.reason is None:
                # What is queued is given also when the feed has been completed meanwhile.
                feed.attach(self._sink)
                await feed.ended
            if self._rendering is not None:
                await self._rendering
        finally:
            feed.end()
        if feed.reason is not None:
            raise feed.reason
        self.complete()

    async def _replay(self, feed: Feed) -> None:
        """What was missed is read as the client takes it."""
        async for occurrence in feed.replay():
            text = self._render(occurrence)
            if not isinstance(text, str):
                text = await text
            if feed.ended.done():
                return
            await self._socket.writer.put(self._prefix + text + "}")

    def _sink(self, occurrence: Occurrence) -> None:
        if self._stopped:
            return
        if self._rendering is None:
            text = self._render(occurrence)
            if isinstance(text, str):
                self._socket.writer.write(self._prefix + text + "}")
                return
            self._rendering = asyncio.create_task(self._render_later(text))
            return
        self._later.append(occurrence)
        if len(self._later) > self._socket.server.limits.queued_events_per_socket:
            self._socket.close(1013, "Too slow: connect again and resume by position")

    async def _render_later(self, text: Awaitable[str]) -> None:
        try:
            self.next(await text)
            while self._later:
                rendered = self._render(self._later.popleft())
                self.next(rendered if isinstance(rendered, str) else await rendered)
        finally:
            self._rendering = None


def _parse(message: MutableMapping[str, Any]) -> ClientMessage:
    text = message.get("text")
    if text is None:
        raise Close(4400, "Binary messages are not part of the protocol")
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise Close(4400, "Invalid message") from None


def _authorization(payload: dict[str, Any]) -> str | None:
    for name, value in payload.items():
        if isinstance(name, str) and name.lower() == "authorization":
            return value if isinstance(value, str) else "-"
    return None


def _error(message: str, code: str) -> dict[str, Any]:
    return {"message": message, "extensions": {"code": code}}


def _errors_of(error: Exception) -> list[dict[str, Any]]:
    """The payload of an `error` message."""
    if isinstance(error, TooFarBehind):
        return [_error("Fetch the channel, and follow it from its lastSeq.", error.code)]
    errors = error.errors if isinstance(error, DocumentRefused) else [wrap_error(error)]
    return format_errors(errors)
