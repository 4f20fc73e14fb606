"""GraphQL over websockets: the graphql-transport-ws protocol, and nothing of the older one.

A subscription's events are written as they come (a feed calls its sink); a client that falls behind
the bound of its socket is closed with 1013 and resumes by position. Close codes are those of
ARCHITECTURE.md.
"""

import asyncio
import functools
from collections.abc import MutableMapping
from typing import Any

from models.close_codes import SERVICE_RESTART, TOO_MANY_CONNECTIONS, CloseCode
from models.devices.sessions import Sessions
from models.limits.limits import Limits
from models.refusals import Refused
from parley.engine.engine import Engine
from parley.transport.costs import FollowedDocuments, LiveCosts
from parley.transport.mutations import Mutations
from parley.transport.origins import Origins
from parley.transport.request import authorization_header
from parley.transport.sockets.socket import MakeContext, Receive, Send, Socket
from parley.transport.spreading import end_one_by_one
from subscriptions.connections import Connections, HeldConnection
from subscriptions.presence.presence import NodePresence
from subscriptions.session_watch import SessionWatch

Scope = MutableMapping[str, Any]

PROTOCOL = "graphql-transport-ws"


class GraphQLWebSocket:
    """The ASGI app for websockets; one `Socket` each."""

    def __init__(
        self,
        engine: Engine,
        sessions: Sessions,
        watch: SessionWatch,
        presence: NodePresence,
        connections: Connections,
        make_context: MakeContext,
        limits: Limits,
        origins: Origins,
    ) -> None:
        self.engine = engine
        self.sessions = sessions
        self.watch = watch
        self.presence = presence
        self.connections = connections
        self.make_context = make_context
        self.limits = limits
        self.origins = origins
        self.mutations = Mutations(limits.request_deadline_s)
        self.costs = LiveCosts(limits.live_cost)
        self.followed = FollowedDocuments(limits.followed_document_bytes)
        self.sockets: set[Socket] = set()
        self.draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = dict(scope["headers"])
        address, authorization = self.origins.client_address(scope), authorization_header(headers)
        allowed = self.origins.allows(headers)
        # This runs as long as the socket is open.
        del headers
        if not allowed:
            await send({"type": "websocket.close", "code": CloseCode.POLICY_VIOLATION})
            return
        if PROTOCOL not in scope.get("subprotocols", ()):
            await send({"type": "websocket.accept"})
            await send(
                {
                    "type": "websocket.close",
                    "code": CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE,
                    "reason": "Subprotocol not acceptable",
                }
            )
            return
        await send({"type": "websocket.accept", "subprotocol": PROTOCOL})
        if self.draining:
            code, reason = CloseCode.SERVICE_RESTART, SERVICE_RESTART
            await send({"type": "websocket.close", "code": code, "reason": reason})
            return
        connection = HeldConnection(self.connections, address)
        try:
            await connection.hold(None)
            socket = Socket(self, address, authorization, connection, send)
            await self._run(socket, receive)
        except Refused:
            await asyncio.sleep(self.limits.refusal_pause_s)
            await send(
                {
                    "type": "websocket.close",
                    "code": CloseCode.TRY_AGAIN_LATER,
                    "reason": TOO_MANY_CONNECTIONS,
                }
            )
        finally:
            connection.end()

    async def _run(self, socket: Socket, receive: Receive) -> None:
        self.sockets.add(socket)
        try:
            await socket.run(receive)
        finally:
            self.sockets.discard(socket)

    async def drain(self, over_s: float) -> None:
        """Close all sockets with SERVICE_RESTART, spread over `over_s` seconds, and from now on
        each new one at once. Mutations go on.
        """
        self.draining = True
        close = (
            functools.partial(socket.close, CloseCode.SERVICE_RESTART, SERVICE_RESTART)
            for socket in self.sockets
        )
        await end_one_by_one(list(close), over_s)
