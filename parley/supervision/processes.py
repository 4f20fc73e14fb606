"""Our own processes as parts: API processes, the worker and the migrations, each `python -m parley
<command>`.
"""

import sys
from collections.abc import Mapping, Sequence

from parley.settings import Settings
from parley.supervision.part import CHECKOUT, SupervisedPart
from parley.supervision.probes import http_status

# Tells a command to load its code, and then to wait for a byte on its standard input.
WHEN_TOLD = "--when-told"
# So long after PARLEY_DRAIN_S an API process has ended (parley/server.py).
ENDS_WITHIN_S = 12.0


class ParleyPart(SupervisedPart):
    """Its code is loaded while servers still start; it begins when released."""

    gated = True

    def __init__(self, name: str, command: str, environment: Mapping[str, str]) -> None:
        super().__init__(name)
        self._command = command
        self._environment = environment

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "parley", WHEN_TOLD, self._command]

    def environment(self) -> Mapping[str, str]:
        path = self._environment.get("PYTHONPATH")
        return {**self._environment, "PYTHONPATH": f"{CHECKOUT}:{path}" if path else str(CHECKOUT)}

    def answers(self) -> bool:
        return True


class Api(ParleyPart):
    def __init__(
        self, settings: Settings, number: int, environment: Mapping[str, str], *, port: int
    ) -> None:
        own = {
            "PARLEY_API_PROCESSES": "1",
            "PARLEY_OWN_PORT": str(port),
            **_metrics_port(settings, number),
        }
        super().__init__(f"api {number}", "serve", {**environment, **own})
        # Its own; all API processes share another.
        self.port = port
        self._host = settings.own_host
        self.stop_within_s = settings.drain_s + ENDS_WITHIN_S

    def answers(self) -> bool:
        return http_status(self.port, "/readyz", host=self._host) == 200

    def responds(self) -> bool:
        return http_status(self.port, "/healthz", host=self._host) is not None


class Worker(ParleyPart):
    stop_within_s = 15.0

    def __init__(self, settings: Settings, environment: Mapping[str, str], *, port: int) -> None:
        super().__init__("worker", "work", {**environment, "PARLEY_OWN_PORT": str(port)})
        # For questions about its health.
        self.port = port
        self._host = settings.own_host

    def answers(self) -> bool:
        return http_status(self.port, "/readyz", host=self._host) == 200

    def responds(self) -> bool:
        return http_status(self.port, "/healthz", host=self._host) is not None


class Migrations(ParleyPart):
    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__("migrations", "migrate", environment)


def api_parts(
    settings: Settings, environment: Mapping[str, str], own_ports: Sequence[int]
) -> list[Api]:
    """One API process a port."""
    return [
        Api(settings, number, environment, port=port)
        for number, port in enumerate(own_ports, start=1)
    ]


def _metrics_port(settings: Settings, number: int) -> dict[str, str]:
    """Give the first API process PARLEY_METRICS_PORT, each further one the next port."""
    port = settings.metrics_port
    return {} if port is None else {"PARLEY_METRICS_PORT": str(port + number - 1)}
