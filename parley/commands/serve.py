"""`serve`: one API process."""

import argparse

from parley.app import build_app
from parley.logs import configure_logging
from parley.server import run_api
from parley.settings import Settings, require_services


def run(settings: Settings, arguments: argparse.Namespace, *, told: bool) -> int:
    require_services(settings)
    configure_logging(development=settings.development)
    return run_api(build_app(settings), settings, among_others=told)
