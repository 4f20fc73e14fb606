"""`serve` with PARLEY_API_PROCESSES above 1: that many API processes on one port, kept up."""

import argparse
import logging
from collections.abc import Sequence

from parley.commands.terminal import address, announce
from parley.logs import configure_logging
from parley.ports import free_port, reserve
from parley.settings import Settings, read_environment, require_services
from parley.supervision.processes import api_parts
from parley.supervision.supervisor import SupervisionPlan, Supervisor

LOGGER = logging.getLogger("parley.supervisor")


def run(settings: Settings, arguments: argparse.Namespace, *, told: bool) -> int:
    require_services(settings)
    configure_logging(development=settings.development)
    with reserve(settings.host, settings.port) as reserved:
        port = reserved.getsockname()[1]
        environment = {**read_environment(), "PARLEY_PORT": str(port)}
        plan = SupervisionPlan(apis=api_parts(settings, environment, list_own_ports(settings)))
        return Supervisor(
            plan, say=LOGGER.info, ready=lambda: announce(address(settings.host, port))
        ).run()


def list_own_ports(settings: Settings) -> Sequence[int]:
    """Return PARLEY_OWN_PORT and the ports after it, one a process; where it is not set, free
    ones.
    """
    if settings.own_port:
        return range(settings.own_port, settings.own_port + settings.api_processes)
    own_ports: list[int] = []
    for _ in range(settings.api_processes):
        own_ports.append(free_port(own_ports))
    return own_ports
