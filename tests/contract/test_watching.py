"""docs/metrics.md, the alert rules and the dashboard are what the code prints, and name only
metrics that a process shows. What the alerts do is tried by `make check-deploy`.
"""

import json
import re
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from models.background import Loops
from parley.metrics import PROCESS_GAUGES, Metrics
from parley.watching.alerts import ALERTS, print_alerts
from parley.watching.dashboard import print_dashboard, queries_of
from parley.watching.declared import list_metrics, series_of
from parley.watching.metrics_page import print_metrics_page
from parley.worker.job_metrics import JobMetrics

ROOT = Path(__file__).resolve().parents[2]
# What Prometheus itself says of each scrape.
OF_PROMETHEUS = {"up"}
A_NAME = re.compile(r"\b(?:parley_\w+|up)\b(?=[{\[) ]|$)")


@pytest.mark.parametrize(
    ("path", "printed"),
    [
        ("docs/metrics.md", print_metrics_page),
        ("deploy/prometheus/alerts.yaml", print_alerts),
        ("deploy/grafana/parley.json", print_dashboard),
    ],
)
def test_the_file_is_what_the_code_prints(path: str, printed: object) -> None:
    assert callable(printed)
    assert (ROOT / path).read_text("utf-8") == printed(), f"{path} differs: make metrics"


def test_the_list_is_what_a_scrape_shows() -> None:
    metrics = Metrics()
    for name in PROCESS_GAUGES:
        metrics.show(name, lambda: 0)
    metrics.show_loops(Loops())
    JobMetrics(metrics)

    text = generate_latest(metrics.registry).decode()

    shown = {
        (f"{family.name}_total" if family.type == "counter" else family.name, family.type)
        for family in text_string_to_metric_families(text)
    }
    # A counter and a histogram each say in a gauge when they were made.
    shown = {(name, kind) for name, kind in shown if not name.endswith("_created")}
    assert shown == {(each.name, each.kind) for each in list_metrics().all}


def test_queries_name_metrics_that_are_shown() -> None:
    series = series_of(list_metrics().all)
    queries = [alert.expression for alert in ALERTS]
    for declared in list_metrics().all:
        queries += [query for query, _ in queries_of(declared)]

    for query in queries:
        named = set(A_NAME.findall(query))
        assert named, query
        assert named <= series | OF_PROMETHEUS, query


def test_every_metric_has_a_panel() -> None:
    dashboard = json.loads(print_dashboard())

    titles = [panel["title"] for panel in dashboard["panels"]]

    assert titles == [declared.name for declared in list_metrics().all]


def test_every_alert_is_tried() -> None:
    tried = (ROOT / "deploy" / "prometheus" / "alerts.test.yaml").read_text("utf-8")

    assert set(re.findall(r"alertname: (\w+)$", tried, re.MULTILINE)) == {
        alert.name for alert in ALERTS
    }
