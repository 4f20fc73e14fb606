"""One more API process beside those of the supervisor, whose connections a test can lead through a
proxy.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from examples.client import Api
from examples.server import ROOT, RunningServer
from parley.ports import free_port
from parley.supervision.probes import http_status
from tests.waiting import eventually

# Known here, so that tokens of one process hold at the other.
SECRET = "a secret of the fault tests, of no use elsewhere"
# What a process gives up after a while, it must not give up on a busy machine.
PATIENCE = {
    "PARLEY_REQUEST_DEADLINE_S": "60",
    "PARLEY_CONNECTION_WAIT_S": "60",
    "PARLEY_COMMIT_DEADLINE_S": "60",
}


@asynccontextmanager
async def another_api(
    server: RunningServer,
    log_path: Path,
    *,
    database_port: int | None = None,
    valkey_port: int | None = None,
) -> AsyncIterator[Api]:
    """A process that finds PostgreSQL or Valkey at these ports instead of their own."""
    own_port = free_port()
    environment = {
        **os.environ,
        "PARLEY_ENV": "development",
        "PARLEY_SECRET": SECRET,
        "PARLEY_PORT": "0",
        "PARLEY_OWN_PORT": str(own_port),
        **PATIENCE,
        "DATABASE_URL": _url(server, "postgresql", database_port),
        "REDIS_URL": _url(server, "valkey", valkey_port),
    }
    with log_path.open("w") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "parley", "serve"),
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
        )
    api = Api(own_port)

    async def is_ready() -> bool:
        # Aside, since its connections may lead through this event loop.
        return await asyncio.to_thread(http_status, own_port, "/readyz") == 200

    try:
        await eventually(is_ready)
        yield api
    finally:
        api.close()
        process.terminate()
        await process.wait()


def _url(server: RunningServer, name: str, port: int | None) -> str:
    address = server.address(name)
    if port is None:
        return address.geturl()
    credentials = address.netloc.rpartition("@")[0]
    return address._replace(netloc=f"{credentials}@127.0.0.1:{port}").geturl()
