"""GraphQL over HTTP, as plain ASGI: reads the request, finds the viewer, executes, answers.

- Every answer that says no is JSON with `errors`, each with a code. 401 is 401 whatever was
  accepted.
- A public operation does not look at the `Authorization` header: an expired token must keep nobody
  from renewing it.
- A mutation that has begun runs to its end, whether its client waits or not: it runs in the task
  of its request, which must not be cancelled when the client goes. A query ends at the deadline,
  and when its client goes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

from graphql import GraphQLError

from models.devices.sessions import Unauthenticated
from models.devices.viewer import Viewer
from models.limits.limits import Limits
from models.refusals import RefusalCode, Refused, unavailable
from parley.charges import LARGE_BODY_BYTES, charge_body
from parley.engine.answers import Answer, error_answer, exception_answer
from parley.engine.engine import Engine
from parley.engine.errors import OperationRefused
from parley.engine.operation import Operation
from parley.engine.sharing import make_renderer
from parley.engine.variables import refuse_text
from parley.transport.compression import choose_encoding
from parley.transport.costs import FollowedDocuments, LiveCosts
from parley.transport.deadlines import answer_query, begin_subscription, late_mutation
from parley.transport.mutations import Mutations
from parley.transport.origins import Origins
from parley.transport.reply import ClientGone, Reply
from parley.transport.request import (
    PLAIN_JSON,
    BadRequest,
    GraphQLRequest,
    Headers,
    Receive,
    Scope,
    Send,
    authorization_header,
    parse_body,
    parse_query_string,
    read_accept,
    read_body,
    require_json_content,
)
from parley.transport.spreading import end_one_by_one
from parley.transport.sse import EventStream

# Proxies give up on a connection that is silent for longer, many after 30 s.
HEARTBEAT_S = 12.0

# With this header graphql-sse names the one stream of its single connection mode, for which it asks
# by PUT.
STREAM_TOKEN = b"x-graphql-event-stream-token"
_SINGLE_CONNECTION = (
    "This server has no single connection mode of graphql-sse: use a connection for each operation "
    "(singleConnection: false), or a websocket."
)

Authenticate = Callable[[str | None], Awaitable[Viewer | None]]
MakeContext = Callable[[Viewer | None, str], Any]
# Counts a stream while it is open; may refuse it.
HoldConnection = Callable[[Viewer | None, str], AbstractAsyncContextManager[None]]


class GraphQLHTTP:
    """The ASGI app for HTTP at /graphql; `authenticate` is given the `Authorization` header."""

    def __init__(
        self,
        engine: Engine,
        authenticate: Authenticate,
        make_context: MakeContext,
        hold_connection: HoldConnection,
        limits: Limits,
        origins: Origins,
        *,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._engine = engine
        self._authenticate = authenticate
        self._make_context = make_context
        self._hold_connection = hold_connection
        self._limits = limits
        self._origins = origins
        self._heartbeat_s = heartbeat_s
        self._streams: set[EventStream] = set()
        self._mutations = Mutations(limits.request_deadline_s)
        self._costs = LiveCosts(limits.live_cost)
        self._followed = FollowedDocuments(limits.followed_document_bytes)
        self._draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = Reply(scope, send)
        try:
            await self._reply(scope, receive, reply)
        except BadRequest as bad:
            error = GraphQLError(bad.reason, extensions={"code": bad.code})
            await reply.write(bad.status, error_answer([error]).body, bad.headers)
        except Unauthenticated as error:
            await reply.write(401, exception_answer(error).body, [(b"www-authenticate", b"Bearer")])
        except Refused as refused:
            if refused.code is RefusalCode.RATE_LIMITED:
                await self._pause()
            await reply.write(*_status_of(refused))
        except ClientGone:
            return
        except Exception as error:
            answer = exception_answer(error)
            if not reply.begun:
                await reply.write(500, answer.body)

    async def drain(self, over_s: float = 0.0) -> None:
        """Cut the streams, spread over `over_s` seconds: their clients connect elsewhere. Then wait
        until mutations have ended.
        """
        self._draining = True
        await end_one_by_one([stream.cut for stream in self._streams], over_s)
        await self._mutations.wait()

    async def _reply(self, scope: Scope, receive: Receive, reply: Reply) -> None:
        headers: Headers = dict(scope["headers"])
        self._check_origin(headers, reply)
        if scope["method"] == "OPTIONS":
            await reply.write_preflight()
            return
        acceptable = read_accept(headers.get(b"accept"))
        reply.json_type = acceptable.json or PLAIN_JSON
        reply.encoding = choose_encoding(headers.get(b"accept-encoding"))
        reply.compressed_bytes = self._limits.compressed_bytes
        if acceptable.json is None and not acceptable.stream:
            raise BadRequest(406, "Accept application/json or text/event-stream.")
        request = await self._read(scope, receive, headers)
        stream = None if acceptable.json else self._make_stream(receive, reply)
        try:
            operation = await self._prepare(request, scope, headers)
            viewer = await self._find_viewer(operation, headers)
        except OperationRefused as refused:
            await _write_answer(error_answer(refused.errors), reply, stream)
            return
        address = self._origins.client_address(scope)
        if operation.kind == "subscription":
            if not acceptable.stream:
                raise BadRequest(406, "Subscriptions need text/event-stream, or a websocket.")
            stream = stream or self._make_stream(receive, reply)
            try:
                async with self._hold_connection(viewer, address):
                    await self._follow(operation, request, viewer, address, stream)
            except OperationRefused as refused:
                await stream.write_answer(error_answer(refused.errors))
            return
        context = self._make_context(viewer, address)
        answer = await self._execute(operation, request, context, reply)
        if context.refused:
            await self._pause()
        await _write_answer(answer, reply, stream)

    async def _pause(self) -> None:
        """Make the connection wait: what it asked passed a budget."""
        await asyncio.sleep(self._limits.refusal_pause_s)

    def _make_stream(self, receive: Receive, reply: Reply) -> EventStream:
        return EventStream(receive, reply, self._limits, self._heartbeat_s)

    def _check_origin(self, headers: Headers, reply: Reply) -> None:
        if not self._origins.allows(headers):
            reason = (
                "This origin or host is not allowed: list the page's origin in "
                "PARLEY_ALLOWED_ORIGINS; in development, ask localhost."
            )
            raise BadRequest(403, reason, "FORBIDDEN")
        origin = headers.get(b"origin")
        if origin is not None:
            reply.allow_origin(origin)

    async def _read(self, scope: Scope, receive: Receive, headers: Headers) -> GraphQLRequest:
        if STREAM_TOKEN in headers:
            raise BadRequest(400, _SINGLE_CONNECTION)
        if scope["method"] == "POST":
            require_json_content(headers)
            limits = self._limits
            within_s = limits.request_body_s
            body = await read_body(receive, headers, limits.body_bytes, within_s)
            if len(body) > LARGE_BODY_BYTES:
                address = self._origins.client_address(scope)
                charge_body(len(body), self._make_context(None, address))
            return parse_body(body)
        if scope["method"] == "GET":
            return parse_query_string(scope["query_string"], self._limits.body_bytes)
        reason = _SINGLE_CONNECTION if scope["method"] == "PUT" else "Use GET or POST."
        raise BadRequest(405, reason, headers=((b"allow", b"GET, POST, OPTIONS"),))

    async def _prepare(self, request: GraphQLRequest, scope: Scope, headers: Headers) -> Operation:
        if request.bad_variable is not None:
            raise refuse_text(request.bad_variable)
        context = None
        text = self._engine.find_text(request.query, request.document_id)
        if self._engine.charges_reading(text):
            address = self._origins.client_address(scope)
            context = self._make_context(await self._guess_viewer(headers), address)
        operation = self._engine.prepare(text, request.operation_name, context)
        if request.document_id is not None:
            self._engine.keep_text(text, request.document_id)
        if scope["method"] == "GET" and operation.kind == "mutation":
            raise BadRequest(405, "Mutations need POST.", headers=((b"allow", b"POST"),))
        return operation

    async def _guess_viewer(self, headers: Headers) -> Viewer | None:
        """Return who pays for reading a document: what it asks for is not known yet."""
        try:
            return await self._authenticate(authorization_header(headers))
        except (Unauthenticated, Refused):
            return None

    async def _find_viewer(self, operation: Operation, headers: Headers) -> Viewer | None:
        if operation.public:
            return None
        viewer = await self._authenticate(authorization_header(headers))
        if viewer is None:
            raise operation.refusal_of_anonymous()
        return viewer

    async def _execute(
        self, operation: Operation, request: GraphQLRequest, context: Any, reply: Reply
    ) -> Answer:
        if operation.kind == "mutation":
            with self._mutations.begin(partial(_answer_late, reply)):
                return await self._engine.execute(operation, request.variables, context)
        running = self._engine.execute(operation, request.variables, context)
        with reply.while_awaited():
            return await answer_query(running, self._limits.request_deadline_s)

    async def _follow(
        self,
        operation: Operation,
        request: GraphQLRequest,
        viewer: Viewer | None,
        address: str,
        stream: EventStream,
    ) -> None:
        if self._draining:
            raise unavailable("This process is about to end; connect again.")

        def make_context() -> Any:
            return self._make_context(viewer, address)

        cost = self._engine.cost_of(operation, request.variables)
        with (
            self._costs.hold(viewer and viewer.device_id, cost),
            self._followed.hold(viewer and viewer.user.id, operation),
        ):
            source = await begin_subscription(
                self._engine,
                operation,
                request.variables,
                make_context(),
                self._limits.request_deadline_s,
            )
            render = make_renderer(self._engine, operation, request.variables, make_context)
            self._streams.add(stream)
            try:
                await stream.follow(source, render)
            finally:
                self._streams.discard(stream)


def _status_of(refused: Refused) -> tuple[int, bytes, tuple[tuple[bytes, bytes], ...]]:
    """Return status, body and further headers of the answer to a request that is refused whole."""
    statuses = {RefusalCode.UNAVAILABLE: 503, RefusalCode.RATE_LIMITED: 429}
    wait_s = -(-(refused.retry_after_ms or 0) // 1000)
    headers = ((b"retry-after", str(wait_s).encode()),) if wait_s else ()
    return statuses.get(refused.code, 403), exception_answer(refused).body, headers


def _answer_late(reply: Reply) -> None:
    """Answer in place of a mutation that goes on."""
    reply.write_last(*_status_of(late_mutation()))


async def _write_answer(answer: Answer, reply: Reply, stream: EventStream | None) -> None:
    if reply.is_over:
        return
    if stream is None:
        await reply.write_answer(answer)
    else:
        await stream.write_answer(answer)
