"""The alerts, and deploy/prometheus/alerts.yaml printed from them.

Each is something that people notice, or will soon.
"""

import json
from typing import NamedTuple

HEAD = """# Prometheus' alert rules, printed from parley/watching/alerts.py: `make metrics`.
# Tried: `promtool test rules alerts.test.yaml` (`make check-deploy`).
groups:
  - name: parley
    rules:
"""


class Alert(NamedTuple):
    name: str
    severity: str
    expression: str
    lasts: str
    summary: str


ALERTS = (
    Alert(
        "ParleyProcessIsAway",
        "page",
        'up{job="parley"} == 0',
        "1m",
        "A process does not answer scrapes.",
    ),
    Alert(
        "ParleyDeliveryIsLate",
        "page",
        "max(parley_outbox_oldest_unsettled_seconds) > 10",
        "1m",
        "Messages are stored and nobody delivers them: the oldest waits for more than 10 s.",
    ),
    Alert(
        "ParleyLoopHasEnded",
        "page",
        "parley_background_loops_ended > 0",
        "1m",
        "A loop of a process has ended; the process is not ready and must be started again.",
    ),
    Alert(
        "ParleyServiceIsAway",
        "page",
        'sum by (loop) (rate(parley_background_failures_total{kind="away"}[5m])) > 0.1',
        "2m",
        "Background work cannot reach PostgreSQL, Valkey or S3.",
    ),
    Alert(
        "ParleyLoopFails",
        "ticket",
        'sum by (loop) (increase(parley_background_failures_total{kind="unexpected"}[10m])) > 3',
        "1m",
        "Background work fails for a reason that nobody foresaw; the log has it.",
    ),
    Alert(
        "ParleyOperationsFail",
        "page",
        'sum(rate(parley_operations_total{outcome="failed"}[5m]))'
        " / sum(rate(parley_operations_total[5m])) > 0.01",
        "5m",
        "More than 1 % of operations end with an unexpected failure.",
    ),
    Alert(
        "ParleySendsAreSlow",
        "page",
        "histogram_quantile(0.99, sum by (le) "
        '(rate(parley_operation_seconds_bucket{field="sendMessage"}[5m]))) > 0.5',
        "10m",
        "One send in a hundred takes more than half a second.",
    ),
    Alert(
        "ParleyProcessIsBusy",
        "ticket",
        "parley_event_loop_lag_seconds > 0.25",
        "5m",
        "A process has more to do than one core can: its timers are a quarter of a second late.",
    ),
    Alert(
        "ParleyPoolIsExhausted",
        "ticket",
        "parley_database_connections_idle == 0 and parley_database_connections >= 8",
        "5m",
        "All of a process's connections to PostgreSQL are in use.",
    ),
    Alert(
        "ParleyQueueGrows",
        "ticket",
        "max by (kind) (parley_job_oldest_due_seconds) > 300",
        "10m",
        "Jobs of a kind have been due for more than five minutes.",
    ),
    Alert(
        "ParleyJobsWereSetAside",
        "ticket",
        'max by (kind) (parley_jobs_in_queue{state="failed"}) > 0',
        "5m",
        "Jobs failed too often, and wait for a person.",
    ),
)


def print_alerts() -> str:
    """Return the file; strings are quoted as in JSON, which YAML reads."""
    return HEAD + "".join(_rule(alert) for alert in ALERTS)


def _rule(alert: Alert) -> str:
    return (
        f"      - alert: {alert.name}\n"
        f"        expr: {json.dumps(alert.expression)}\n"
        f"        for: {alert.lasts}\n"
        f"        labels: {{severity: {alert.severity}}}\n"
        f"        annotations: {{summary: {json.dumps(alert.summary)}}}\n"
    )
