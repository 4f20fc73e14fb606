"""`work`: the worker only."""

import argparse
import asyncio

import uvloop

from parley.logs import configure_logging
from parley.settings import Settings, require_services
from parley.worker.process import run_worker


def run(settings: Settings, arguments: argparse.Namespace, *, told: bool) -> int:
    require_services(settings)
    configure_logging(development=settings.development)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_worker(settings))
    return 0
