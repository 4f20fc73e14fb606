"""One API process: uvicorn on two sockets, the port that all API processes share and a port of its
own.

SIGTERM or SIGINT ends it in three steps:

1. For `PARLEY_DRAIN_S`, /readyz answers 503 and every answer has `Connection: close`. New requests
   and sockets are served: balancers have yet to notice.
2. The ports close. Sockets close with 1012 and streams are cut, spread over 3 s.
3. Requests and mutations that still run get 7 s more.

With the default of 3 s it has ended within 15 s, whatever happens. A second signal ends the first
step at once; a third one, the waiting of the others.
"""

import asyncio
import contextlib
import faulthandler
import gc
import logging
import math
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import uvicorn
import uvloop
from starlette.types import ASGIApp

from models.deadlines import within
from models.limits.limits import Limits
from parley.ports import listening_socket, own_socket, reserve
from parley.settings import Settings
from parley.transport.http_protocol import Configuration, HttpProtocol
from parley.transport.sockets.protocol import ABORT_AFTER_S, SocketProtocol

LOGGER = logging.getLogger("parley.server")

BACKLOG = 4096
# Files of a process that are no clients' connections: to PostgreSQL, Valkey, storage; logs.
SPARED_FILES = 256
# What the kernel keeps of what one client has not been sent; what it has been sent, and has not
# acknowledged, comes on top, so that far clients are not slower for it.
UNSENT_BYTES = 128 * 1024
# From the moment when the ports close: 3 s for sockets and streams, 7 s for what still runs.
FINISH_WITHIN_S = 10
# Of these, so much is left for requests whatever the app does.
LEAST_FOR_REQUESTS_S = 1
# The supervisor, like most that stop a service, kills after 15 s; this way it is known where the
# process hung.
CLOSE_WITHIN_S = 1.5
# Some that stop a service send the same signal to the process and to its group.
ONE_ORDER_S = 0.5


@runtime_checkable
class Drains(Protocol):
    def stop_being_ready(self) -> None:
        """Answer 503 on /readyz from now on, and go on with everything else."""

    async def drain(self) -> None:
        """End streams and sockets as a deploy ends them (1012), and wait for mutations."""


@runtime_checkable
class Fails(Protocol):
    # Why the app cannot be opened, once that is known.
    failure: BaseException | None


class ApiServer(uvicorn.Server):
    """uvicorn that lets the app drain, and whose end by a signal is a success."""

    def __init__(
        self, config: Configuration, app: object, shared: socket.socket, *, drain_s: float
    ) -> None:
        super().__init__(config)
        self._configuration = config
        self._app = app
        self._shared = shared
        self._drain_s = drain_s
        self._orders = StopOrders()
        self.failure: BaseException | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop_order, number)
        yield

    def _on_stop_order(self, number: int) -> None:
        self._orders.note(number, time.monotonic())
        self.should_exit = True
        self.force_exit = self._orders.count > 2

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        spare_collections()

    async def on_tick(self, counter: int) -> bool:
        """Stop also when the app could not be opened, which may show long after the start."""
        if self.failure is None and isinstance(self._app, Fails):
            self.failure = self._app.failure
            self.should_exit = self.should_exit or self.failure is not None
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        gone_within_s = self._drain_s + FINISH_WITHIN_S + CLOSE_WITHIN_S
        faulthandler.dump_traceback_later(gone_within_s, exit=True)
        if self.failure is None:
            await self._let_balancers_notice()
        for server in self.servers:
            server.close()
        # The kernel gives new connections to the other processes from here on.
        self._shared.close()
        closed_at = time.monotonic()
        await self._drain()
        left_s = FINISH_WITHIN_S - (time.monotonic() - closed_at)
        self.config.timeout_graceful_shutdown = max(LEAST_FOR_REQUESTS_S, int(left_s))
        await super().shutdown(sockets)
        faulthandler.cancel_dump_traceback_later()

    async def _let_balancers_notice(self) -> None:
        if isinstance(self._app, Drains):
            self._app.stop_being_ready()
        self._configuration.last_answers = True
        for connection in self.server_state.connections:
            if isinstance(connection, HttpProtocol):
                connection.close_after_answer()
        with contextlib.suppress(TimeoutError):
            await within(self._orders.second.wait(), self._drain_s)

    async def _drain(self) -> None:
        if not isinstance(self._app, Drains):
            return
        within_s = FINISH_WITHIN_S - LEAST_FOR_REQUESTS_S
        try:
            await within(self._app.drain(), within_s)
        except TimeoutError:
            LOGGER.warning("The app did not drain in time", extra={"within_s": within_s})
        except Exception:
            LOGGER.exception("The app could not drain")


class StopOrders:
    """Counts the signals to stop; the same one twice within half a second is one order."""

    def __init__(self) -> None:
        self.count = 0
        self.second = asyncio.Event()
        self._last = (0, -math.inf)

    def note(self, number: int, at_s: float) -> None:
        last_number, last_at_s = self._last
        if number == last_number and at_s - last_at_s < ONE_ORDER_S:
            return
        self._last = (number, at_s)
        self.count += 1
        if self.count > 1:
            self.second.set()


def run_api(app: ASGIApp, settings: Settings, *, among_others: bool = False) -> int:
    """Serve until a signal; the exit code. `among_others`: a supervisor holds the port for this
    process.

    Raises:
        SettingsError: one of the ports cannot be had.
    """
    raise_file_limit()
    if among_others:
        shared = listening_socket(settings.host, settings.port, shared=True)
    else:
        shared = reserve(settings.host, settings.port)
    with shared, own_socket(settings.own_host, settings.own_port) as own:
        for listening in (shared, own):
            bound_readers(listening, settings.limits)
        server = ApiServer(configuration(app, settings), app, shared, drain_s=settings.drain_s)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(server.serve([shared, own]))
    if server.failure is not None:
        raise server.failure
    return 0 if server.started else 1


def configuration(app: ASGIApp, settings: Settings) -> Configuration:
    return Configuration(
        app,
        settings.limits,
        connections=most_connections(settings.limits),
        http=HttpProtocol,
        ws=SocketProtocol,
        ws_max_size=settings.limits.frame_bytes,
        ws_ping_interval=settings.limits.ping_interval_s,
        ws_ping_timeout=settings.limits.ping_timeout_s,
        # 40 KiB of memory a socket, for text that is short.
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # parley.app believes PARLEY_TRUSTED_PROXIES, and nobody else, about a client's address.
        proxy_headers=False,
        backlog=BACKLOG,
        # Longer than the 60 s for which load balancers keep a connection: the side that speaks
        # first must close first.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=FINISH_WITHIN_S,
    )


def spare_collections() -> None:
    """Leave what start-up made out of all garbage collections, and make the rest rarer.

    Modules, schema and plans are some hundred thousand objects that never die; a full collection
    over them stopped a busy process for 30 to 450 ms. Measured with W1 (docs/speed.md): p99 from
    180 to 54 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def bound_readers(listening: socket.socket, limits: Limits) -> None:
    """Bound what the kernel keeps for a client that takes nothing, and for how long: the accepted
    sockets inherit it.

    - Of what was written, so much waits in the kernel and no more, where it would be up to 4 MB
      that nobody counts. Copying into ever new memory for some who had stopped reading doubled the
      time of all (docs/attacks.md).
    - A stream of server-sent events has no pings to tell that its client is gone without a word.
    """
    if sys.platform == "linux":
        silent_s = min(limits.ping_timeout_s, limits.stopped_reader_s + ABORT_AFTER_S)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(silent_s * 1000))
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)


def most_connections(limits: Limits) -> int:
    """Return how many clients a process takes: as many as are set, and as it has files for."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return limits.connections
    return min(limits.connections, max(soft - SPARED_FILES, soft // 2))


def raise_file_limit() -> None:
    """Allow as many files as the system lets us: each socket is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS calls it unlimited and then refuses more than this.
    wanted = 10_240 if sys.platform == "darwin" else hard
    if soft != wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
