"""Prints docs/metrics.md from the metrics' own list."""

from parley.metrics import Declared
from parley.watching.alerts import ALERTS
from parley.watching.declared import list_metrics

HEAD = """# Metrics

Every process answers Prometheus at `/metrics` on a port of its own (`PARLEY_METRICS_PORT`,
[settings](settings.md)). Labels are bounded: kinds, root fields of the schema, outcomes; never an
id, a text or an operation's name.

This page, [the alerts](../deploy/prometheus/alerts.yaml) and
[Grafana's dashboard](../deploy/grafana/parley.json) are printed from the code: `make metrics`.

| metric | type | labels | shown by | meaning |
|---|---|---|---|---|
"""
ALERTS_HEAD = """
## Alerts

| alert | severity | when | for |
|---|---|---|---|
"""


def print_metrics_page() -> str:
    """Return the page: a row for each metric, and one for each alert."""
    listed = list_metrics()

    def shown_by(declared: Declared) -> str:
        kinds = {"API": listed.api, "worker": listed.worker}
        return ", ".join(name for name, of_kind in kinds.items() if declared in of_kind)

    rows = (
        f"| `{each.name}` | {each.kind} | {', '.join(f'`{label}`' for label in each.labels)} "
        f"| {shown_by(each)} | {each.description} |\n"
        for each in listed.all
    )
    alerts = (
        f"| `{each.name}` | {each.severity} | {each.summary} | {each.lasts} |\n" for each in ALERTS
    )
    return HEAD + "".join(rows) + ALERTS_HEAD + "".join(alerts)
