"""Processes that start while PostgreSQL is away wait for it, alive and not ready, and go on."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from models.close_codes import CloseCode
from parley.ports import LOOPBACK, free_port, is_free, listening_socket
from parley.settings import Settings
from parley.supervision.part import CHECKOUT
from parley.supervision.probes import http_status
from tests.faults.proxy import Proxy, proxy
from tests.waiting import eventually


class Child:
    """One process of ours, asked at its own port."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, log_path: Path) -> None:
        self.process = process
        self.port = port
        self._log_path = log_path

    async def status(self, path: str) -> int | None:
        return await asyncio.to_thread(http_status, self.port, path)

    async def is_ready(self) -> bool:
        return await self.status("/readyz") == 200

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log_path.read_text().splitlines()]


@asynccontextmanager
async def started(
    command: str, settings: Settings, log_path: Path, **variables: str
) -> AsyncIterator[Child]:
    port = free_port()
    environment = {
        **os.environ,
        "PARLEY_SECRET": settings.secret,
        "PARLEY_PORT": "0",
        "PARLEY_OWN_PORT": str(port),
        "PARLEY_MEDIA_SANDBOX": "prefer",
        "DATABASE_URL": settings.database_url or "",
        "REDIS_URL": settings.redis_url or "",
        **variables,
    }
    with log_path.open("w") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "parley", command),
            cwd=CHECKOUT,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        yield Child(process, port, log_path)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 60)


@asynccontextmanager
async def away(settings: Settings) -> AsyncIterator[tuple[Proxy, Settings]]:
    """A PostgreSQL that lets nobody in until the proxy is opened."""
    assert settings.database_url is not None
    address = urlsplit(settings.database_url)
    async with proxy(address.port or 0) as between:
        between.open = False
        netloc = f"{address.netloc.rpartition('@')[0]}@{LOOPBACK}:{between.port}"
        yield between, replace(settings, database_url=address._replace(netloc=netloc).geturl())


async def test_an_api_process_waits_for_postgresql(settings: Settings, tmp_path: Path) -> None:
    async with (
        away(settings) as (between, elsewhere),
        started("serve", elsewhere, tmp_path / "log") as child,
        httpx2.AsyncClient(timeout=60, trust_env=False) as http,
    ):
        await eventually(partial(_is_alive, child))
        assert await child.status("/readyz") == 503
        url = f"{LOOPBACK}:{child.port}/graphql"
        answer = await http.post(f"http://{url}", json={"query": "{ limits { pageSize } }"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
        assert await close_code(f"ws://{url}") == CloseCode.TRY_AGAIN_LATER
        assert await child.status("/unsubscribe") == 503

        between.open = True

        await eventually(child.is_ready)
        answer = await http.post(f"http://{url}", json={"query": "{ limits { pageSize } }"})
        assert answer.json() == {"data": {"limits": {"pageSize": 100}}}
    assert child.process.returncode == 0
    assert [line["level"] for line in child.log() if "PostgreSQL is" in line["message"]] == [
        "warning",
        "info",
    ]


async def _is_alive(child: Child) -> bool:
    return await child.status("/healthz") == 200


async def close_code(url: str) -> int:
    async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


async def test_a_worker_waits_for_postgresql(settings: Settings, tmp_path: Path) -> None:
    async with (
        away(settings) as (between, elsewhere),
        started("work", elsewhere, tmp_path / "log") as child,
    ):
        await eventually(partial(_is_alive, child))
        assert await child.status("/readyz") == 503

        between.open = True

        await eventually(child.is_ready)
        assert await child.status("/elsewhere") == 404
    assert child.process.returncode == 0


async def test_a_process_that_waits_ends_when_it_is_told_to(
    settings: Settings, tmp_path: Path
) -> None:
    async with away(settings) as (_, elsewhere):
        async with (
            started("serve", elsewhere, tmp_path / "serve") as api,
            started("work", elsewhere, tmp_path / "work") as worker,
        ):
            for child in (api, worker):
                await eventually(partial(_is_alive, child))
        assert (api.process.returncode, worker.process.returncode) == (0, 0)


@pytest.mark.parametrize(("command", "late"), [("serve", False), ("serve", True), ("work", True)])
async def test_a_database_that_is_not_there_is_not_waited_for(
    settings: Settings, tmp_path: Path, command: str, late: bool
) -> None:
    """Nobody will bring it: the process ends with a sentence, also after it has waited."""
    async with away(settings) as (between, elsewhere):
        between.open = not late
        url = (elsewhere.database_url or "").rpartition("/")[0] + "/nowhere"
        nowhere = replace(elsewhere, database_url=url)
        async with started(command, nowhere, tmp_path / "log") as child:
            if late:
                await eventually(partial(_is_alive, child))
                between.open = True
            assert await asyncio.wait_for(child.process.wait(), 60) == 2
    last = (tmp_path / "log").read_text().splitlines()[-1]
    assert last == (
        'DATABASE_URL cannot be used. PostgreSQL says: database "nowhere" does not exist'
    )


async def test_a_metrics_port_that_somebody_has_is_one_sentence(
    settings: Settings, tmp_path: Path
) -> None:
    with listening_socket(LOOPBACK, 0, shared=False) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        told = {"PARLEY_METRICS_PORT": str(port)}
        async with started("serve", settings, tmp_path / "log", **told) as child:
            assert await asyncio.wait_for(child.process.wait(), 60) == 2
    assert (
        f"PARLEY_METRICS_PORT: {port} on 127.0.0.1 cannot be listened on"
        in ((tmp_path / "log").read_text().splitlines()[-1])
    )


async def test_all_processes_of_a_machine_have_metrics_under_one_setting(
    settings: Settings, tmp_path: Path
) -> None:
    """Two API processes and a worker, told the same: one port each, the next ones in this order."""
    first = next(port for port in iter(free_port, None) if is_free(port + 1) and is_free(port + 2))
    told = {"PARLEY_METRICS_PORT": str(first), "PARLEY_API_PROCESSES": "2"}
    async with (
        started("serve", settings, tmp_path / "serve", **told),
        started("work", settings, tmp_path / "work", **told) as worker,
        httpx2.AsyncClient(timeout=60, trust_env=False) as http,
    ):

        async def shown(port: int) -> str:
            try:
                return (await http.get(f"http://{LOOPBACK}:{port}/metrics")).text
            except httpx2.HTTPError:
                return ""

        for port in (first, first + 1):
            await eventually(partial(shown, port))
            assert "parley_sockets 0.0" in await shown(port)
        assert await eventually(worker.is_ready)
        assert "parley_jobs_in_queue" in await shown(first + 2)
