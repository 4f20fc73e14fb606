"""Prints deploy/grafana/parley.json: a panel for each metric, from the metrics' own list."""

import json
from typing import Any

from parley.metrics import Declared
from parley.watching.declared import list_metrics

COLUMNS, WIDTH, HEIGHT = 3, 8, 8
QUANTILES = (0.5, 0.99)
SOURCE = {"type": "prometheus", "uid": "${source}"}
# A time of Grafana's axes, by how a metric's name ends.
UNITS = {"_seconds": "s", "_bytes_total": "Bps"}


def print_dashboard() -> str:
    """Return the dashboard that Grafana imports; which Prometheus it asks is chosen there."""
    panels = [_panel(place, each) for place, each in enumerate(list_metrics().all)]
    dashboard = {
        "uid": "parley",
        "title": "Parley",
        "tags": ["parley"],
        "timezone": "browser",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus"}]},
        "panels": panels,
    }
    return json.dumps(dashboard, indent=2) + "\n"


def _panel(place: int, declared: Declared) -> dict[str, Any]:
    row, column = divmod(place, COLUMNS)
    unit = next((unit for end, unit in UNITS.items() if declared.name.endswith(end)), "short")
    return {
        "id": place + 1,
        "type": "timeseries",
        "title": declared.name,
        "description": declared.description,
        "datasource": SOURCE,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + number), "expr": query, "legendFormat": legend}
            for number, (query, legend) in enumerate(queries_of(declared))
        ],
    }


def queries_of(declared: Declared) -> list[tuple[str, str]]:
    """Return what a metric's panel asks, each with the text of its legend."""
    labels = ", ".join(declared.labels)
    by = f" by ({labels})" if labels else ""
    legend = " ".join(f"{{{{{label}}}}}" for label in declared.labels)
    if declared.kind == "counter":
        return [(f"sum{by} (rate({declared.name}[$__rate_interval]))", legend)]
    if declared.kind == "histogram":
        rate = f"rate({declared.name}_bucket[$__rate_interval])"
        return [
            (
                f"histogram_quantile({quantile}, sum by (le, {labels}) ({rate}))",
                f"p{quantile * 100:g} {legend}",
            )
            for quantile in QUANTILES
        ]
    # Ages and delays are not added up.
    return [(f"max{by} ({declared.name})", legend or "most")] + (
        [(f"sum ({declared.name})", "sum")] if not declared.name.endswith("_seconds") else []
    )
