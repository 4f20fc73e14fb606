"""Three API processes on two hosts of this machine (127.0.0.2, 127.0.0.3), behind HAProxy as
`deploy/haproxy.cfg` sets it up.
"""

import asyncio
import os
import shutil
import signal
import ssl
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from parley.embedded import EmbeddedServers
from parley.ports import LOOPBACK, free_port
from parley.supervision.part import CHECKOUT
from parley.supervision.probes import http_status
from tests.push.fakes.tls import make_tls
from tests.waiting import eventually

CONFIGURATION = CHECKOUT / "deploy" / "haproxy.cfg"
HOSTS = ("127.0.0.2", "127.0.0.3", "127.0.0.3")
SECRET = "a secret of the bench, of no use anywhere else"
EXIT_WITHIN_S = 20.0


class NoBalancer(Exception):
    """HAProxy is not installed here."""


@dataclass
class Host:
    """One API process at an address of its own."""

    address: str
    port: int
    environment: dict[str, str]
    log_path: Path
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it; it is ready on return."""
        with self.log_path.open("a") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "parley", "serve"),
                cwd=CHECKOUT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        await eventually(lambda: self.status("/readyz") == 200, within_s=60)

    async def deploy(self) -> float:
        """Stop it as a deploy does, and start it anew. Return the seconds until it had ended."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(self.process.wait(), EXIT_WITHIN_S)
        took_s = time.monotonic() - began
        await self.start()
        return took_s

    async def stop(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def status(self, path: str) -> int | None:
        return http_status(self.port, path, host=self.address)


@dataclass(frozen=True)
class Balanced:
    """The processes, and where the balancer listens."""

    hosts: Sequence[Host]
    plain_port: int
    tls_port: int
    trust: ssl.SSLContext


@asynccontextmanager
async def balanced(
    servers: EmbeddedServers, folder: Path, *, drain_s: float
) -> AsyncIterator[Balanced]:
    """Have all of it run while the context lasts.

    Raises:
        NoBalancer: HAProxy is not installed.
    """
    program = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise NoBalancer("HAProxy is not installed; Debian has it: apt-get install haproxy.")
    trust = make_tls(folder, LOOPBACK).client
    ports: list[int] = []
    for _ in range(len(HOSTS) * 2 + 2):
        ports.append(free_port(ports))
    plain_port, tls_port, *others = ports
    hosts = [
        _host(servers, folder, number, address, others[2 * number :], drain_s)
        for number, address in enumerate(HOSTS)
    ]
    async with AsyncExitStack() as stack:
        for host in hosts:
            stack.push_async_callback(host.stop)
        await asyncio.gather(*(host.start() for host in hosts))
        environment = {
            "PARLEY_BIND_PLAIN": f"{LOOPBACK}:{plain_port}",
            "PARLEY_BIND_TLS": f"{LOOPBACK}:{tls_port}",
            "PARLEY_CERTIFICATE": str(folder / "server.pem"),
            **{f"PARLEY_API_{n}": f"{h.address}:{h.port}" for n, h in enumerate(hosts, start=1)},
        }
        await stack.enter_async_context(_haproxy(program, environment, folder / "haproxy.log"))
        await eventually(lambda: http_status(plain_port, "/readyz") == 200)
        yield Balanced(hosts, plain_port, tls_port, trust)


def _host(
    servers: EmbeddedServers,
    folder: Path,
    number: int,
    address: str,
    ports: Sequence[int],
    drain_s: float,
) -> Host:
    port, own_port = ports[:2]
    environment = {
        **os.environ,
        # One-time codes are not needed, but the budgets of a bench are.
        "PARLEY_ENV": "development",
        "PARLEY_DEVELOPMENT_OPEN": "1",
        "PARLEY_DRAIN_S": str(drain_s),
        "PARLEY_SECRET": SECRET,
        "PARLEY_HOST": address,
        "PARLEY_PORT": str(port),
        "PARLEY_OWN_HOST": address,
        "PARLEY_OWN_PORT": str(own_port),
        "PARLEY_TRUSTED_PROXIES": LOOPBACK,
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": servers.redis_url,
    }
    return Host(address, own_port, environment, folder / f"api{number}.log")


@asynccontextmanager
async def _haproxy(
    program: str, environment: dict[str, str], log_path: Path
) -> AsyncIterator[None]:
    with log_path.open("w+") as log:
        process = await asyncio.create_subprocess_exec(
            *(program, "-db", "-f", str(CONFIGURATION)),
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
        )
        try:
            yield
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()
            else:
                log.seek(0)
                sys.stderr.write(log.read())
