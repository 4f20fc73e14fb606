"""The ASGI app: /graphql over HTTP, server-sent events and websockets; health; the explorer.

The app under test is the app that ships: everything comes from settings. `/graphql` is taken before
Starlette's router, which serves the rest.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from models.background import Background
from models.close_codes import SERVICE_RESTART, CloseCode
from models.devices.viewer import Viewer
from models.log.events import StreamCut
from models.postgresql.database import CONNECTION_ERRORS
from models.postgresql.readiness import Readiness
from models.storage.client import bucket_url
from parley.charges import charge, charge_answer, charge_reading
from parley.metrics import MeasuredEngine, Metrics
from parley.opening import require_database
from parley.pages.explorer import explorer_page, explorer_routes, plain_page
from parley.pages.home import home_routes
from parley.pages.unsubscribing import unsubscribe_routes
from parley.parts import Parts
from parley.resources import Process, open_process
from parley.revisions import newest_revision
from parley.schema import PUBLIC_FIELDS, make_schema
from parley.settings import LOOPBACK_HOSTS, Settings, SettingsError
from parley.transport.early import answer_early, close_early
from parley.transport.http import GraphQLHTTP
from parley.transport.origins import Hosts, Origins
from parley.transport.sockets.websocket import GraphQLWebSocket
from schema.context import Context

PATH = "/graphql"
# Answered before the parts are open, too.
HEALTH = ("/healthz", "/readyz")
EXPLORER_DIR = Path(__file__).resolve().parent.parent / "explorer"
SCHEMA_FILE = EXPLORER_DIR.with_name("schema.graphql")
# Start-up waits so long for the parts. After that the process is alive, and ready once they open.
OPEN_WITHIN_S = 1.0
# A deploy ends sockets and streams over so many seconds, so that their clients do not all connect
# to other processes in the same moment.
STREAMS_END_OVER_S = 3.0


class App:
    """Open the process's parts at start-up; for a deploy, `stop_being_ready`, then `drain`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._metrics = Metrics()
        self._engine = MeasuredEngine(
            make_schema(),
            limits=settings.limits,
            public_fields=PUBLIC_FIELDS,
            development=settings.development,
            trusted_documents=settings.trusted_documents,
            charge=charge,
            charge_reading=charge_reading,
            charge_answer=charge_answer,
            plans=settings.plans,
        )
        self._engine.metrics = self._metrics
        # From the order to stop on.
        self._stopping = False
        # Why the parts could not be opened. The process then has to end.
        self.failure: BaseException | None = None
        self._opened = False
        assert settings.database_url is not None
        self._readiness = Readiness(settings.database_url, newest_revision())
        self._process: Process
        self._http: GraphQLHTTP
        self._websocket: GraphQLWebSocket
        self._other = Starlette(
            routes=[
                Route(HEALTH[0], self._healthz),
                Route(HEALTH[1], self._readyz),
                *unsubscribe_routes(lambda: self._process.resources),
                *home_routes(EXPLORER_DIR, SCHEMA_FILE, explorer=settings.explorer),
                *(explorer_routes(EXPLORER_DIR) if settings.explorer else ()),
            ],
            lifespan=self._lifespan,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            if scope["path"] == PATH and not self._opened:
                await close_early(receive, send)
            elif scope["path"] == PATH:
                await self._websocket(scope, receive, send)
            else:
                await receive()
                await send({"type": "websocket.close", "code": CloseCode.POLICY_VIOLATION})
        elif scope["type"] == "http" and scope["path"] == PATH:
            if _wants_page(scope):
                await self._page()(scope, receive, send)
            elif not self._opened:
                await answer_early(scope, send)
            else:
                await self._http(scope, receive, send)
        elif scope["type"] == "http" and not self._opened and scope["path"] not in HEALTH:
            await answer_early(scope, send)
        else:
            await self._other(scope, receive, send)

    def _page(self) -> Response:
        if not self._settings.explorer:
            return plain_page()
        endpoint = self._settings.s3_public_endpoint_url or self._settings.s3_endpoint_url
        storage = bucket_url(endpoint, self._settings.s3_bucket, self._settings.aws_region)
        return explorer_page(EXPLORER_DIR, storage)

    def stop_being_ready(self) -> None:
        """Answer 503 on /readyz from now on, so that balancers choose other processes. All else
        goes on: requests and sockets that come meanwhile are served.
        """
        self._stopping = True

    async def drain(self) -> None:
        """Close sockets with 1012 and cut other streams, spread over 3 s; then wait until
        mutations have ended.
        """
        self.stop_being_ready()
        if not self._opened:
            return
        await asyncio.gather(
            self._websocket.drain(STREAMS_END_OVER_S), self._http.drain(STREAMS_END_OVER_S)
        )
        # Those that were about to begin.
        self._process.hub.cut(StreamCut(CloseCode.SERVICE_RESTART, SERVICE_RESTART))
        await self._websocket.mutations.wait()

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with Parts() as parts:
            opening = asyncio.create_task(self._open(parts))
            parts.push_async_callback(_end, opening)
            await asyncio.wait({opening}, timeout=OPEN_WITHIN_S)
            if opening.done() and not isinstance(opening.exception(), SettingsError):
                opening.result()
            opening.add_done_callback(self._note_opening)
            yield

    def _note_opening(self, opening: asyncio.Task[None]) -> None:
        if not opening.cancelled():
            self.failure = opening.exception()

    async def _open(self, parts: Parts) -> None:
        """Open all parts as soon as PostgreSQL can be reached."""
        settings = self._settings
        assert settings.database_url is not None
        parts.add(self._readiness)
        process = None
        while process is None:
            await require_database(settings)
            with contextlib.suppress(*CONNECTION_ERRORS):
                process = await parts.enter_async_context(open_process(settings))
        self._process = process
        self._serve(process)
        background = parts.add(Background(process.loops))
        self._metrics.start(process.resources.database, background, process.relay)
        parts.add(self._metrics)
        self._expose_metrics()
        self._opened = True

    def _serve(self, process: Process) -> None:
        settings, resources = self._settings, process.resources
        origins = Origins(settings.allowed_origins, settings.trusted_proxies, _hosts_of(settings))

        def make_context(viewer: Viewer | None, client_address: str) -> Context:
            return Context(resources=resources, viewer=viewer, client_address=client_address)

        async def authenticate(authorization: str | None) -> Viewer | None:
            viewer = await resources.sessions.authenticate(authorization)
            if viewer is not None:
                process.presence.touch(viewer.user.id)
            return viewer

        self._http = GraphQLHTTP(
            self._engine,
            authenticate,
            make_context,
            process.connections.hold,
            settings.limits,
            origins=origins,
        )
        self._websocket = GraphQLWebSocket(
            self._engine,
            resources.sessions,
            process.watch,
            process.presence,
            process.connections,
            make_context,
            settings.limits,
            origins,
        )

    def _expose_metrics(self) -> None:
        metrics, process = self._metrics, self._process
        metrics.show_loops(process.loops)
        metrics.show("sockets", lambda: len(self._websocket.sockets))
        metrics.show("feeds", lambda: len(process.hub.feeds()))
        metrics.show("dispatch_waiting", process.dispatcher.waiting)
        pool = process.resources.database.pool
        metrics.show("database_connections", pool.get_size)
        metrics.show("database_connections_idle", pool.get_idle_size)
        if self._settings.metrics_port is not None:
            metrics.serve(self._settings.metrics_port, self._settings.metrics_host)

    async def _healthz(self, _: Request) -> PlainTextResponse:
        """Answer that the process is alive.

        It asks nothing of PostgreSQL or Valkey: a restart would not bring those back.
        """
        return PlainTextResponse("alive\n")

    async def _readyz(self, _: Request) -> JSONResponse:
        """Answer 200 when PostgreSQL takes writes and has the newest migration, else 503.

        Valkey is not asked: without it, delivery is only slower.
        """
        able = self._opened and not self._stopping and self._process.loops.can_go_on
        ready = able and await self._readiness.ask()
        return JSONResponse({"ready": ready}, 200 if ready else 503)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


def _hosts_of(settings: Settings) -> Hosts:
    """Return which hosts browsers may ask. Where development listens on another address than
    loopback, people ask by address.
    """
    if not settings.development:
        return Hosts.ANY
    return Hosts.LOOPBACK if settings.host in LOOPBACK_HOSTS else Hosts.ADDRESSES


def _wants_page(scope: Scope) -> bool:
    """Return whether a browser asks for the page, and not for the answer to a query."""
    if scope["method"] != "GET" or b"query=" in scope["query_string"]:
        return False
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def build_app(settings: Settings) -> App:
    return App(settings)
