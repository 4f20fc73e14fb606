"""One API process: uvicorn on two sockets, the port that all API processes share and one of its own
on loopback.

At SIGTERM or SIGINT the shared socket closes first; the app drains (it knows its streams); requests
finish; what is still open closes with 1012; the process has ended within 15 s whatever happens.
"""

import asyncio
import contextlib
import faulthandler
import gc
import logging
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import uvicorn
import uvloop
from starlette.types import ASGIApp

from models.deadlines import within
from models.limits import Limits
from parley.ports import LOOPBACK, listening_socket, reserve
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
DRAIN_WITHIN_S = 3.0
REQUESTS_WITHIN_S = 10
# The supervisor, like most that stop a service, kills after 15 s; this way it is known where the
# process hung.
GONE_WITHIN_S = 14.5


@runtime_checkable
class Drains(Protocol):
    async def drain(self) -> None:
        """Answer "not ready", refuse new sockets, end streams and sockets as a deploy ends them
        (1012).
        """


@runtime_checkable
class Fails(Protocol):
    # Why the app cannot be opened, once that is known.
    failure: BaseException | None


class ApiServer(uvicorn.Server):
    """uvicorn that lets the app drain, and whose end by a signal is a success."""

    def __init__(self, config: uvicorn.Config, app: object, shared: socket.socket) -> None:
        super().__init__(config)
        self._app = app
        self._shared = shared
        self.failure: BaseException | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop_order)
        yield

    def _on_stop_order(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True

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
        faulthandler.dump_traceback_later(GONE_WITHIN_S, exit=True)
        # The kernel gives new connections to the other processes from here on.
        self.servers[0].close()
        self._shared.close()
        if isinstance(self._app, Drains):
            try:
                await within(self._app.drain(), DRAIN_WITHIN_S)
            except TimeoutError:
                LOGGER.warning("The app did not drain in time", extra={"within_s": DRAIN_WITHIN_S})
            except Exception:
                LOGGER.exception("The app could not drain")
        await super().shutdown(sockets)
        faulthandler.cancel_dump_traceback_later()


def run_api(app: ASGIApp, settings: Settings, *, among_others: bool = False) -> int:
    """Serve until a signal; the exit code. `among_others`: a supervisor holds the port for this
    process.

    Raises:
        SettingsError: the port cannot be had.
    """
    raise_file_limit()
    if among_others:
        shared = listening_socket(settings.host, settings.port, shared=True)
    else:
        shared = reserve(settings.host, settings.port)
    with shared, listening_socket(LOOPBACK, settings.own_port, shared=False) as own:
        for listening in (shared, own):
            bound_readers(listening, settings.limits)
        server = ApiServer(configuration(app, settings), app, shared)
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
        timeout_graceful_shutdown=REQUESTS_WITHIN_S,
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
    """How many clients a process takes: as many as are set, as far as it has files for them."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return limits.connections
    return min(limits.connections, max(soft - SPARED_FILES, soft // 2))


def raise_file_limit() -> None:
    """A socket is a file; the usual 1024 would be the number of people online."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS calls it unlimited and then refuses more than this.
    wanted = 10_240 if sys.platform == "darwin" else hard
    if soft != wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
