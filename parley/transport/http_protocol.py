"""uvicorn's HTTP protocol, with the ends that it lacks.

- Who has not sent a whole head within `request_head_s` is ended, from the first moment of the
  connection on; between two requests uvicorn's own time for an idle connection counts.
- So is who has not sent the whole body within `request_body_s`, whether somebody reads it or not.
- A head has a bounded size.
- A process has so many connections and no more, sockets included; one more is told 503 at once. The
  kernel's limit of files would stop health checks, too, and the connections to PostgreSQL.
- A process that is about to end says so: each answer has `Connection: close`, and the client's next
  request comes over another connection, which a balancer leads to another process.
- The app can cut a connection whose client takes nothing: an answer that is ended in the usual way
  waits for the client to read what came before. And it can be told when the connection is lost.
- The app can write a whole answer, its head made beforehand, by one call: to look through the same
  headers of each answer takes 6 % of the CPU of a send.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from models.limits.limits import Limits
from parley.transport.proxies import Scope

# The name of the ASGI extension that cuts a connection: a function without arguments.
ABORT = "parley.abort"
# The name of the one that takes what is to be called when the connection is lost, or None.
ON_LOST = "parley.on_lost"
# The name of the one that writes a whole answer, given the request's scope, the answer's head (up
# to the line that ends it) and its body. It returns False where that has to go the usual way: the
# client takes nothing, or has sent its next request already.
WRITE_WHOLE = "parley.write_whole"
# Besides a query string, which may be as large as a body.
HEAD_BYTES = 64 * 1024
# An app says by itself that a body did not come; this is for the rest.
BODY_GRACE_S = 2.0


class Configuration(uvicorn.Config):
    """uvicorn's configuration, with ours."""

    def __init__(self, app: Any, limits: Limits, *, connections: int, **others: Any) -> None:
        super().__init__(app, **others)
        self.limits = limits
        self.connections = connections
        # Whether each answer is the last one of its connection.
        self.last_answers = False


class _Phase(Enum):
    """What is expected of the client."""

    NOTHING = auto()
    HEAD = auto()
    BODY = auto()


class HttpProtocol(HttpToolsProtocol):
    config: Configuration

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._phase = _Phase.NOTHING
        # Requests that have arrived whole.
        self._arrived = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timed: tuple[_Phase, int] | None = None
        self._head_bytes = 0
        # Refused, upgraded or lost: what still comes is not ours.
        self._over = False
        self._on_lost: Callable[[], None] | None = None
        # Since when nothing is under way, by the loop's clock.
        self._idle_since: float | None = None
        self._idle_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.server_state.connections) >= self.config.connections:
            self._over = True
            self.transport = transport
            self._refuse(b"503 Service Unavailable", b"retry-after: 1\r\n")
            return
        super().connection_made(transport)
        self._watch(_Phase.HEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        self._over = True
        self._unwatch()
        self._forget_idle()
        super().connection_lost(exc)
        if self._on_lost is not None:
            self._on_lost()

    def handle_websocket_upgrade(self) -> None:
        self._over = True
        self._unwatch()
        self._forget_idle()
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        arrived = self._arrived
        super().data_received(data)
        if self._over or self.transport.is_closing():
            self._unwatch()
        elif self._phase is _Phase.BODY:
            self._head_bytes = 0
            self._watch(_Phase.BODY)
        elif self._phase is _Phase.NOTHING and self._arrived > arrived:
            self._head_bytes = 0
            self._unwatch()
        else:
            # Also after an empty line, with which no head begins.
            self._take_of_head(len(data))

    def on_message_begin(self) -> None:
        self._phase = _Phase.HEAD
        super().on_message_begin()
        extensions: Any = {
            ABORT: self.transport.abort,
            ON_LOST: self._set_on_lost,
            WRITE_WHOLE: self._write_whole,
        }
        self.scope["extensions"] = extensions

    def _set_on_lost(self, on_lost: Callable[[], None] | None) -> None:
        self._on_lost = on_lost

    def on_headers_complete(self) -> None:
        self._phase = _Phase.BODY
        super().on_headers_complete()
        if self.config.last_answers:
            self.close_after_answer()

    def close_after_answer(self) -> None:
        """End the connection after the answer that is under way, and say so in its head.

        An answer whose head has been sent cannot say so any more; the next one will.
        """
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._phase = _Phase.NOTHING
        self._arrived += 1
        super().on_message_complete()

    def _take_of_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES + self.config.limits.body_bytes:
            self._refuse(b"431 Request Header Fields Too Large")
        else:
            self._watch(_Phase.HEAD)

    def _watch(self, phase: _Phase) -> None:
        """Begin the time for it, unless it runs."""
        if self._timed == (phase, self._arrived):
            return
        self._unwatch()
        self._timed = (phase, self._arrived)
        limits = self.config.limits
        is_body = phase is _Phase.BODY
        within_s = limits.request_body_s + BODY_GRACE_S if is_body else limits.request_head_s
        self._timer = self.loop.call_later(within_s, self._end_slow)

    def _unwatch(self) -> None:
        self._timed = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_slow(self) -> None:
        timed, self._timed = self._timed, None
        if timed is None or self.transport.is_closing():
            return
        answering = self.cycle is not None and not self.cycle.response_complete
        if timed[0] is _Phase.HEAD and answering:
            # The next request waits for the answer to the last one.
            self._watch(_Phase.HEAD)
        elif answering or not self._head_bytes:
            self.transport.abort()
        else:
            self._refuse(b"408 Request Timeout")

    def _refuse(self, status: bytes, more: bytes = b"") -> None:
        self._unwatch()
        head = b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n" + more
        self.transport.write(head + b"\r\n")
        self.transport.close()

    def _write_whole(self, scope: Scope, head: bytes, body: bytes) -> bool:
        """Write a whole answer as `cycle.send` does, but that nothing is looked up in its head."""
        cycle = self.cycle
        if (
            cycle.scope is not scope
            or cycle.response_started
            or cycle.flow.write_paused
            or scope["method"] == "HEAD"
        ):
            return False
        if cycle.disconnected:
            return True
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        lines = [b"%b: %b\r\n" % each for each in cycle.default_headers]
        if not cycle.keep_alive:
            lines.append(b"connection: close\r\n")
        cycle.transport.write(b"".join((head, *lines, b"\r\n", body)))
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True

    # ---------------------------------------------------------------- between two requests

    def on_response_complete(self) -> None:
        """As uvicorn does, but that the time for an idle connection has one timer a connection, not
        one a request.
        """
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._end_idle)

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None

    def _end_idle(self) -> None:
        self._idle_timer = None
        if self._idle_since is None:
            return
        left_s = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._idle_timer = self.loop.call_later(left_s, self._end_idle)
        else:
            self.timeout_keep_alive_handler()

    def _forget_idle(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
