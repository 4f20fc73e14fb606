"""Measure for operators, and answer `/metrics` on a port of its own (`PARLEY_METRICS_PORT`).

Labels are bounded: kinds, root fields of the schema, outcomes and close codes; never an id, an
operation's name or its text.
"""

import asyncio
import time
from collections.abc import AsyncIterable, Callable, Iterator, Mapping
from typing import Any, NamedTuple
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from models.background import Background, Loops
from models.duties import Duty
from models.log.outbox import find_oldest_unsettled_s
from models.postgresql.database import Database
from parley.engine.answers import Answer
from parley.engine.engine import Engine, Operation
from parley.engine.errors import OperationRefused
from parley.settings import SettingsError

LATENCY_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
WATCH_EVERY_S = 5.0
LOOP_FAILURES = "parley_background_failures"
LOOP_LABELS = ("loop", "kind")
LOOP_FAILURES_MEANING = (
    "Rounds of background work that failed, by loop and kind: away (a service could not be "
    "reached) or unexpected."
)
LOOPS_ENDED = "parley_background_loops_ended"
LOOPS_ENDED_MEANING = "Loops that ended though they must not: above 0 the process is not ready."


# Gauges that are read from the parts of an API process, by the names that `gauge` is called with.
PROCESS_GAUGES = {
    "sockets": "Open websockets.",
    "feeds": "Feeds of open streams.",
    "dispatch_waiting": "Batches that wait to be dispatched.",
    "database_connections": "Connections in the pool.",
    "database_connections_idle": "Those that are free.",
}


class Declared(NamedTuple):
    """A metric as it is listed; `name` is that of its first row, without a histogram's suffix."""

    name: str
    kind: str
    description: str
    labels: tuple[str, ...] = ()


class Metrics:
    """Hold the metrics of one process. Gauges are read when a scrape asks for them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.declared: list[Declared] = []
        self._server: WSGIServer | None = None
        self._operations = self.counter(
            "parley_operations",
            "Operations that ended, by kind, root field and outcome.",
            ("kind", "field", "outcome"),
        )
        self._latency = self.histogram(
            "parley_operation_seconds",
            "How long operations took, from the document to the answer.",
            ("kind", "field"),
            LATENCY_BUCKETS_S,
        )
        # By kind, root field and outcome: to look a metric up by its labels takes longer than to
        # count with it.
        self._noted: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}
        self.outbox_age = self.gauge(
            "parley_outbox_oldest_unsettled_seconds",
            "How long the oldest batch waits that nobody has dispatched.",
        )
        self.loop_lag = self.gauge(
            "parley_event_loop_lag_seconds", "How late the event loop's last timer was."
        )

    def counter(self, name: str, description: str, labels: tuple[str, ...]) -> Counter:
        self.declared.append(Declared(f"{name}_total", "counter", description, labels))
        return Counter(name, description, labels, registry=self.registry)

    def gauge(self, name: str, description: str, labels: tuple[str, ...] = ()) -> Gauge:
        self.declared.append(Declared(name, "gauge", description, labels))
        return Gauge(name, description, labels, registry=self.registry)

    def histogram(
        self, name: str, description: str, labels: tuple[str, ...], buckets: tuple[float, ...]
    ) -> Histogram:
        self.declared.append(Declared(name, "histogram", description, labels))
        return Histogram(name, description, labels, buckets=buckets, registry=self.registry)

    def show(self, name: str, read: Callable[[], float]) -> None:
        """Add one of `PROCESS_GAUGES`, which is read at each scrape."""
        self.gauge(f"parley_{name}", PROCESS_GAUGES[name]).set_function(read)

    def show_loops(self, loops: Loops) -> None:
        """Show how often the process's loops failed, and how many have ended."""
        self.declared += [
            Declared(f"{LOOP_FAILURES}_total", "counter", LOOP_FAILURES_MEANING, LOOP_LABELS),
            Declared(LOOPS_ENDED, "gauge", LOOPS_ENDED_MEANING),
        ]
        self.registry.register(_LoopFigures(loops))

    def note(self, operation: Operation, seconds: float, outcome: str) -> None:
        field = operation.root_fields[0] if len(operation.root_fields) == 1 else "several"
        key = (operation.kind, field, outcome)
        noted = self._noted.get(key)
        if noted is None:
            noted = self._noted[key] = (
                self._operations.labels(*key),
                self._latency.labels(operation.kind, field),
            )
        noted[0].inc()
        noted[1].observe(seconds)

    def serve(self, port: int, host: str) -> None:
        """Answer scrapes in a thread of its own until `close`.

        Raises:
            SettingsError: the port cannot be listened on.
        """
        try:
            self._server, _ = start_http_server(port, addr=host, registry=self.registry)
        except OSError as error:
            raise SettingsError(
                f"PARLEY_METRICS_PORT: {port} on {host} cannot be listened on ({error.strerror}). "
                "API processes take it and the next ones, the worker the one after those."
            ) from None

    async def close(self) -> None:
        """Answer no more scrapes."""
        server, self._server = self._server, None
        if server is not None:
            await asyncio.to_thread(server.shutdown)
            server.server_close()

    def start(
        self,
        database: Database,
        background: Background,
        relay: Duty,
        *,
        every_s: float = WATCH_EVERY_S,
    ) -> None:
        """Refresh the gauges, every `every_s` seconds. Whoever relays asks about the outbox."""
        background.forever("metrics", lambda: self._refresh(database, relay, every_s))

    async def _refresh(self, database: Database, relay: Duty, every_s: float) -> None:
        due = time.monotonic() + every_s
        await asyncio.sleep(every_s)
        self.loop_lag.set(max(0.0, time.monotonic() - due))
        # Not known, until it is.
        self.outbox_age.set(float("nan"))
        if relay.is_held:
            self.outbox_age.set(await find_oldest_unsettled_s(database))


class _LoopFigures(Collector):
    def __init__(self, loops: Loops) -> None:
        self._loops = loops

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        failures = CounterMetricFamily(LOOP_FAILURES, LOOP_FAILURES_MEANING, labels=LOOP_LABELS)
        for (loop, kind), count in self._loops.failures.copy().items():
            failures.add_metric((loop, kind), count)
        yield failures
        yield GaugeMetricFamily(LOOPS_ENDED, LOOPS_ENDED_MEANING, value=len(self._loops.ended))


class MeasuredEngine(Engine):
    """Measure the time and the outcome of each operation of the engine."""

    metrics: Metrics

    async def execute(
        self, operation: Operation, variables: Mapping[str, Any] | None, context: Any
    ) -> Answer:
        began = time.perf_counter()
        outcome = "failed"
        try:
            answer = await super().execute(operation, variables, context)
            outcome = "errors" if answer.failed else "answered"
            return answer
        finally:
            self.metrics.note(operation, time.perf_counter() - began, outcome)

    async def subscribe(
        self, operation: Operation, variables: Mapping[str, Any] | None, context: Any
    ) -> AsyncIterable[Any]:
        began = time.perf_counter()
        outcome = "failed"
        try:
            stream = await super().subscribe(operation, variables, context)
            outcome = "followed"
            return stream
        except OperationRefused:
            outcome = "errors"
            raise
        finally:
            self.metrics.note(operation, time.perf_counter() - began, outcome)
