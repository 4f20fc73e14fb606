"""`metrics`: print the page of metrics, the alert rules or the dashboard."""

import argparse
import sys

from parley.settings import Settings
from parley.watching.alerts import print_alerts
from parley.watching.dashboard import print_dashboard
from parley.watching.metrics_page import print_metrics_page

PRINTED = {"page": print_metrics_page, "alerts": print_alerts, "dashboard": print_dashboard}


def run(settings: Settings, arguments: argparse.Namespace, *, told: bool) -> int:
    sys.stdout.write(PRINTED[arguments.what]())
    return 0
