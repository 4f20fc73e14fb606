"""Lists every metric that Parley's processes show, from the code that shows them."""

from collections.abc import Iterable
from typing import NamedTuple

from models.background import Loops
from parley.metrics import PROCESS_GAUGES, Declared, Metrics
from parley.worker.job_metrics import JobMetrics


class Listed(NamedTuple):
    """The metrics of each kind of process; what all show is in both."""

    api: list[Declared]
    worker: list[Declared]

    @property
    def all(self) -> list[Declared]:
        """Those of API processes, then what only workers show."""
        return [*self.api, *(each for each in self.worker if each not in self.api)]


def list_metrics() -> Listed:
    """Build the metrics of both kinds of processes, as they do, and list them."""
    api, worker = Metrics(), Metrics()
    for name in PROCESS_GAUGES:
        api.show(name, lambda: 0)
    JobMetrics(worker)
    for metrics in (api, worker):
        metrics.show_loops(Loops())
    return Listed(api.declared, worker.declared)


def series_of(declared: Iterable[Declared]) -> set[str]:
    """Return the names that a query may use."""
    return {
        f"{each.name}{suffix}"
        for each in declared
        for suffix in (("_bucket", "_sum", "_count") if each.kind == "histogram" else ("",))
    }
