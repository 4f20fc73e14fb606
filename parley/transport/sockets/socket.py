"""One websocket: who is on it, what it is told, and how it closes."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import datetime
from typing import Any, Protocol

import orjson

from models.close_codes import TOO_MANY_CONNECTIONS, TOO_SLOW, UNAUTHORIZED, CloseCode
from models.devices.sessions import Sessions, Unauthenticated
from models.devices.viewer import Viewer
from models.refusals import Refused
from parley.charges import charge_frame
from parley.transport.sockets.messages import (
    ClientMessage,
    Close,
    authorization_of,
    parse_message,
    parse_request,
    require_id,
    require_object,
)
from parley.transport.sockets.operations import OperationsServer, SocketOperations
from parley.transport.writer import Writer
from schema.context import Context
from subscriptions.connections import HeldConnection
from subscriptions.presence.presence import NodePresence
from subscriptions.session_watch import SessionWatch

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
MakeContext = Callable[[Viewer | None, str], Context]


class SocketServer(OperationsServer, Protocol):
    """What all sockets share."""

    sessions: Sessions
    watch: SessionWatch
    presence: NodePresence
    make_context: MakeContext


class Socket:
    """One connection, from its acceptance until everything that was begun on it has ended."""

    def __init__(
        self,
        server: SocketServer,
        client_address: str,
        authorization: str | None,
        connection: HeldConnection,
        send: Send,
    ) -> None:
        self._server = server
        self._client_address = client_address
        # The `Authorization` header of the upgrade, where `connection_init` has none.
        self._authorization = authorization
        self._connection = connection
        self._send = send

        async def send_text(text: str) -> None:
            await send({"type": "websocket.send", "text": text})

        self.writer = Writer(
            send_text, server.limits, lambda: self.close(CloseCode.TRY_AGAIN_LATER, TOO_SLOW)
        )
        self._operations = SocketOperations(server, self)
        self._slow = False
        self._init_received = False
        self._acknowledged = False
        self._viewer: Viewer | None = None
        # Who is charged for frames: the address, then the user.
        self._payer = self.context()
        self._closing: asyncio.Task[None] | None = None
        self._stop_watching: Callable[[], None] | None = None
        self._let_go: Callable[[], None] | None = None
        self._init_timer = asyncio.get_running_loop().call_later(
            server.limits.connection_init_s,
            self.close,
            CloseCode.INIT_TIMEOUT,
            "Connection initialisation timeout",
        )

    async def run(self, receive: Receive) -> None:
        """Take what comes until the connection ends, then wait for what still runs: it is this
        socket's until it has ended.
        """
        try:
            while True:
                message = await receive()
                if message["type"] == "websocket.disconnect":
                    break
                await self._pace(message)
                if self._closing is None:
                    await self._take(message)
        finally:
            self._end_everything()
        await self._operations.wait()

    async def _pace(self, message: Message) -> None:
        """Wait for a while before taking what passes the budget of frames, or comes after something
        that passed another.
        """
        if self._closing is not None:
            return
        try:
            charge_frame(len(message.get("text") or message.get("bytes") or ""), self._payer)
        except Refused:
            self._slow = True
        if self._slow:
            self._slow = False
            await asyncio.sleep(self._server.limits.refusal_pause_s)

    async def _take(self, message: Message) -> None:
        try:
            await self._dispatch(parse_message(message))
        except Close as close:
            self.close(close.code, close.reason)

    async def _dispatch(self, message: ClientMessage) -> None:
        match message.type:
            case "connection_init":
                await self._init(message.payload)
            case "ping":
                payload = require_object(message)
                self._write({"type": "pong"} | ({} if payload is None else {"payload": payload}))
            case "pong":
                require_object(message)
            case "subscribe":
                if not self._acknowledged:
                    raise Close(CloseCode.UNAUTHORIZED, UNAUTHORIZED)
                self._operations.begin(*parse_request(message))
            case "complete":
                await self._operations.complete(require_id(message))
            case _:
                raise Close(CloseCode.BAD_REQUEST, "Invalid message type")

    async def _init(self, payload: Any) -> None:
        if self._init_received:
            raise Close(CloseCode.TOO_MANY_INIT_REQUESTS, "Too many initialisation requests")
        self._init_received = True
        self._init_timer.cancel()
        authorization = authorization_of(payload)
        if authorization is None:
            authorization = self._authorization
        try:
            self._viewer = await self._server.sessions.authenticate(authorization)
        except Unauthenticated:
            raise Close(CloseCode.UNAUTHORIZED, UNAUTHORIZED) from None
        except Refused:
            raise Close(CloseCode.TRY_AGAIN_LATER, "Try again later") from None
        if self._viewer is not None:
            self._payer = self.context()
            await self._count_as(self._viewer)
            self._stop_watching = self._server.watch.follow(self._viewer, self)
            self._let_go = self._server.presence.hold(self._viewer.user.id)
        self._acknowledged = True
        self._write({"type": "connection_ack"})

    async def _count_as(self, viewer: Viewer) -> None:
        try:
            await self._connection.hold(viewer)
        except Refused:
            raise Close(CloseCode.TRY_AGAIN_LATER, TOO_MANY_CONNECTIONS) from None

    # ---------------------------------------------------------------- for its operations

    def context(self) -> Context:
        return self._server.make_context(self._viewer, self._client_address)

    async def look_again(self) -> None:
        """Read who asks anew, if it is a while ago.

        Raises:
            Unauthenticated: the device has ended.
        """
        if self._viewer is not None:
            self._viewer = await self._server.sessions.look_again(self._viewer)

    def slow_down(self) -> None:
        """Take nothing more for a while."""
        self._slow = True

    def _write(self, message: dict[str, Any]) -> None:
        self.writer.write(orjson.dumps(message).decode())

    # ---------------------------------------------------------------- the end

    def session_expiring(self, expires_at: datetime) -> None:
        """Do nothing: the feeds say so themselves."""

    def session_over(self) -> None:
        self.close(CloseCode.UNAUTHORIZED, "Session over")

    def close(self, code: int, reason: str) -> None:
        """Close from our side; what may be ended ends now, what is queued is dropped."""
        if self._closing is None:
            self._end_everything()
            self._closing = asyncio.create_task(self._close(code, reason))

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
        self._operations.stop()
