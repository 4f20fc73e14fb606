"""Run the operations of one socket.

An operation counts until its work has ended, whatever its client was told: what nobody waits for
any more is still work. At `complete` and at the end of the socket queries and subscriptions are
cancelled; a mutation runs to its end. What others wait for too (a reading of a session, say) is
shielded where it is shared, so that cancelling one who waits stops nobody else.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import orjson

from models.close_codes import CloseCode
from models.limits.limits import Limits
from models.log.events import StreamCut
from parley.engine.answers import Answer
from parley.engine.engine import Engine
from parley.engine.errors import OperationRefused, format_errors, wrap_error
from parley.engine.operation import Operation
from parley.engine.sharing import make_renderer
from parley.engine.variables import refuse_text
from parley.transport.costs import FollowedDocuments, LiveCosts
from parley.transport.deadlines import answer_query, begin_subscription, late_mutation
from parley.transport.mutations import Mutations
from parley.transport.sockets.messages import Close, SubscribePayload
from parley.transport.subscription import Subscription
from parley.transport.writer import Writer
from schema.context import Context


class OperationsServer(Protocol):
    """What the operations of all sockets share."""

    engine: Engine
    limits: Limits
    mutations: Mutations
    costs: LiveCosts
    followed: FollowedDocuments


class OperationsSocket(Protocol):
    """The socket that the operations are on."""

    writer: Writer

    async def look_again(self) -> None:
        """Read anew who asks. Raises what ends the operation."""

    def context(self) -> Context: ...

    def close(self, code: int, reason: str) -> None: ...

    def slow_down(self) -> None:
        """Take nothing more for a while: what came passed a budget."""


class SocketOperations:
    def __init__(self, server: OperationsServer, socket: OperationsSocket) -> None:
        self._server = server
        self._socket = socket
        # Those that the client knows of, by its ids; and all whose work has not ended.
        self._known: dict[str, _RunningOperation] = {}
        self._running: set[asyncio.Task[None]] = set()

    def begin(self, operation_id: str, request: SubscribePayload) -> None:
        """Begin an operation, or refuse it when too many have not ended.

        Raises:
            Close: the id is in use.
        """
        if operation_id in self._known:
            raise Close(
                CloseCode.SUBSCRIBER_EXISTS, f"Subscriber for {operation_id[:64]} already exists"
            )
        running = _RunningOperation(self._server, self._socket, operation_id, self._forget)
        most = self._server.limits.operations_per_socket
        if len(self._running) >= most:
            reason = f"{most} operations of this socket have not ended: wait until some have."
            running.fail(_error(reason, "LIMIT_EXCEEDED"))
            return
        self._known[operation_id] = running
        task = running.task = asyncio.create_task(self._run(running, request))
        self._running.add(task)

    async def complete(self, operation_id: str) -> None:
        """End an operation that the client has completed. Return when a stream's place is free
        again.
        """
        running = self._known.pop(operation_id, None)
        if running is not None:
            running.stop()
            # The place is to be free for what comes in the same piece.
            await asyncio.sleep(0)

    def stop(self) -> None:
        """End what may be ended: the socket is closing."""
        for running in tuple(self._known.values()):
            running.stop()
        self._known.clear()

    async def wait(self) -> None:
        """Return when the work of all has ended."""
        if self._running:
            await asyncio.wait(self._running)

    async def _run(self, running: "_RunningOperation", request: SubscribePayload) -> None:
        try:
            await running.run(request)
        except StreamCut as cut:
            self._socket.close(cut.close_code, cut.reason)
        except Exception as error:
            running.fail(_errors_of(error))
        finally:
            assert running.task is not None
            self._running.discard(running.task)
            self._forget(running)

    def _forget(self, running: "_RunningOperation") -> None:
        if self._known.get(running.id) is running:
            del self._known[running.id]


class _RunningOperation:
    """One operation, from its document to its end."""

    def __init__(
        self,
        server: OperationsServer,
        socket: OperationsSocket,
        operation_id: str,
        forget: Callable[["_RunningOperation"], None],
    ) -> None:
        self.id = operation_id
        self.task: asyncio.Task[None] | None = None
        self._server = server
        self._socket = socket
        self._forget = forget
        self._id_json = orjson.dumps(operation_id).decode()
        self._prefix = f'{{"id":{self._id_json},"type":"next","payload":'
        self._stopped = False
        # Known to be none of a mutation.
        self._cancellable = False
        self._subscription: Subscription | None = None

    def stop(self) -> None:
        """Say nothing more, and end unless it is a mutation."""
        self._stopped = True
        if self._subscription is not None:
            self._subscription.stop()
        if self._cancellable and self.task is not None:
            self.task.cancel()

    async def run(self, request: SubscribePayload) -> None:
        """Do what is asked, and tell the client.

        Raises:
            Exception: what the client is to be told in place of a result.
        """
        if request.bad_variable is not None:
            raise refuse_text(request.bad_variable)
        context = self._socket.context()
        try:
            operation = self._prepare(request, context)
        finally:
            self._slow_down_after(context)
        self._cancellable = operation.kind != "mutation"
        if self._stopped and self._cancellable:
            return
        if context.viewer is None and not operation.public:
            raise operation.refusal_of_anonymous()
        if operation.kind == "mutation":
            await self._mutate(operation, request.variables)
        elif operation.kind == "query":
            await self._ask(operation, request.variables)
        else:
            await self._follow(operation, request.variables)

    def _prepare(self, request: SubscribePayload, context: Context) -> Operation:
        engine, document_id = self._server.engine, request.document_id
        text = engine.find_text(request.query, document_id)
        operation = engine.prepare(text, request.operationName, context)
        if document_id is not None:
            engine.keep_text(text, document_id)
        return operation

    async def _ask(self, operation: Operation, variables: Mapping[str, Any] | None) -> None:
        running = self._execute(operation, variables)
        self._tell(await answer_query(running, self._server.limits.request_deadline_s))

    async def _mutate(self, operation: Operation, variables: Mapping[str, Any] | None) -> None:
        # Nobody cancels this task: whatever the client was told, it counts until it has ended.
        with self._server.mutations.begin(self._fail_late):
            answer = await self._execute(operation, variables)
        self._tell(answer)

    def _fail_late(self) -> None:
        self.fail(_errors_of(late_mutation()))

    async def _execute(self, operation: Operation, variables: Mapping[str, Any] | None) -> Answer:
        await self._socket.look_again()
        context = self._socket.context()
        try:
            return await self._server.engine.execute(operation, variables, context)
        finally:
            self._slow_down_after(context)

    def _slow_down_after(self, context: Context) -> None:
        if context.refused:
            self._socket.slow_down()

    async def _follow(self, operation: Operation, variables: Mapping[str, Any] | None) -> None:
        engine, socket, limits = self._server.engine, self._socket, self._server.limits
        context = socket.context()
        with (
            self._server.costs.hold(socket, engine.cost_of(operation, variables)),
            self._server.followed.hold(context.viewer and context.viewer.user.id, operation),
        ):
            try:
                source = await begin_subscription(
                    engine, operation, variables, context, limits.request_deadline_s
                )
            finally:
                self._slow_down_after(context)
            render = make_renderer(engine, operation, variables, socket.context)
            self._subscription = Subscription(
                source,
                render,
                self._frame,
                socket.writer,
                queued_events=limits.queued_events_per_socket,
            )
            await self._subscription.run()
        self._complete()

    def _frame(self, text: str) -> str:
        return self._prefix + text + "}"

    def _tell(self, answer: Answer) -> None:
        if not self._stopped:
            self._socket.writer.write(self._frame(answer.body.decode()))
            self._complete()

    def _complete(self) -> None:
        self._say(f'{{"id":{self._id_json},"type":"complete"}}')

    def fail(self, errors: list[dict[str, Any]]) -> None:
        message = {"id": self.id, "type": "error", "payload": errors}
        self._say(orjson.dumps(message).decode())

    def _say(self, last_words: str) -> None:
        if not self._stopped:
            self._stopped = True
            self._forget(self)
            self._socket.writer.write(last_words)


def _error(message: str, code: str) -> list[dict[str, Any]]:
    return [{"message": message, "extensions": {"code": code}}]


def _errors_of(error: Exception) -> list[dict[str, Any]]:
    """Return the payload of an `error` message."""
    errors = error.errors if isinstance(error, OperationRefused) else [wrap_error(error)]
    return format_errors(errors)
