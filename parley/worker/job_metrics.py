"""Metrics of jobs: how many wait, how old the oldest is, what came of them, how long they took, and
what media and pushes came to. What the queue holds is counted by one worker. Labels are kinds,
states and outcomes.
"""

from models.background import Background
from models.duties import Duty
from models.jobs.jobs import queue_of
from models.jobs.lists import list_job_counts
from models.postgresql.database import Database
from parley.metrics import Metrics

WATCH_EVERY_S = 10.0
# The duty of counting the jobs in the queue: one worker's, until it has not counted twice.
JOB_FIGURES = "job_figures"
JOB_FIGURES_LEASE_S = 25.0
DURATION_BUCKETS_S = (0.005, 0.02, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300)


class JobMetrics:
    def __init__(self, metrics: Metrics) -> None:
        self._outcomes = metrics.counter(
            "parley_jobs",
            "Jobs that ended, by kind and outcome; those that run again are counted each time.",
            ("kind", "outcome"),
        )
        self._seconds = metrics.histogram(
            "parley_job_seconds",
            "How long jobs took.",
            ("kind",),
            DURATION_BUCKETS_S,
        )
        self._waiting = metrics.gauge(
            "parley_jobs_in_queue",
            "Jobs by kind and state: waiting, later, running, failed.",
            ("kind", "state"),
        )
        self._oldest = metrics.gauge(
            "parley_job_oldest_due_seconds",
            "For how long the oldest job of a kind has been due.",
            ("kind",),
        )
        self._bytes = metrics.counter(
            "parley_media_bytes",
            "Bytes of files, by kind: as they came in, and as they are stored now.",
            ("kind", "stage"),
        )
        self._pushes = metrics.counter(
            "parley_pushes", "Pushes by kind and outcome.", ("kind", "outcome")
        )

    def note(self, kind: str, outcome: str, tries: int, seconds: float) -> None:
        self._outcomes.labels(kind, outcome).inc()
        self._seconds.labels(kind).observe(seconds)

    def note_bytes(self, kind: str, came_in: int, stored: int) -> None:
        self._bytes.labels(kind, "in").inc(came_in)
        self._bytes.labels(kind, "stored").inc(stored)

    def note_push(self, kind: str, outcome: str) -> None:
        self._pushes.labels(kind, outcome).inc()

    def start(
        self,
        database: Database,
        background: Background,
        duty: Duty,
        *,
        every_s: float = WATCH_EVERY_S,
    ) -> None:
        """Refresh what takes a question to find out, until the background is closed."""
        background.every("job_metrics", every_s, lambda: self._read(database, duty), at_once=True)

    async def _read(self, database: Database, duty: Duty) -> None:
        try:
            counts = await list_job_counts(queue_of(database)) if await duty.take() == 0 else []
        finally:
            self._clear()
        for each in counts:
            self._waiting.labels(each.kind, each.state).set(each.count)
            if each.state == "waiting":
                self._oldest.labels(each.kind).set(each.age_s)

    def _clear(self) -> None:
        """Show nothing any more: it is not known."""
        self._waiting.clear()
        self._oldest.clear()
