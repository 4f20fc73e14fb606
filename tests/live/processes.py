"""An API process of its own, which a test may kill."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import httpx2

from parley.ports import LOOPBACK, free_port
from parley.settings import Settings
from parley.supervision.part import CHECKOUT
from parley.supervision.probes import http_status
from tests.serving import PATIENCE, Server
from tests.waiting import eventually


@dataclass(frozen=True, slots=True)
class ApiProcess:
    process: asyncio.subprocess.Process
    port: int
    http: httpx2.AsyncClient

    @property
    def host(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/graphql"

    @property
    def socket_url(self) -> str:
        return f"ws://{self.host}/graphql"

    @property
    def server(self) -> Server:
        """As people take it: they ask for no more than its addresses."""
        return cast(Server, self)


@asynccontextmanager
async def api_process(
    settings: Settings, log_path: Path, *, checkout: Path = CHECKOUT, **limits: Any
) -> AsyncIterator[ApiProcess]:
    """`python -m parley serve` of the files in `checkout`, on the same servers; ready when it is
    entered, gone when it is left.
    """
    # Refuses names that are none.
    replace(settings.limits, **limits)
    if checkout == CHECKOUT:
        limits = PATIENCE | limits
    port = free_port()
    environment = {
        **os.environ,
        "PARLEY_ENV": settings.environment,
        "PARLEY_SECRET": settings.secret,
        "PARLEY_PORT": "0",
        "PARLEY_OWN_PORT": str(port),
        "DATABASE_URL": settings.database_url or "",
        "REDIS_URL": settings.redis_url or "",
        **{f"PARLEY_{name.upper()}": str(value) for name, value in limits.items()},
    }
    with log_path.open("w") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "parley", "serve"),
            cwd=checkout,
            env=environment,
            stdout=log,
            stderr=log,
        )
    async with httpx2.AsyncClient(timeout=60, trust_env=False) as http:

        async def is_ready() -> bool:
            return await asyncio.to_thread(http_status, port, "/readyz") == 200

        try:
            await eventually(is_ready)
            yield ApiProcess(process, port, http)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
