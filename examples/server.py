"""A server to play with: the one that runs, or one of our own on a temporary folder; and what may
happen to it.

`services.json` in its data directory names the parts that run now, and the ports of single API
processes.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from redis.asyncio import Redis

ROOT = Path(__file__).resolve().parents[1]


class NotRunning(Exception):
    """There is no server, or it did not come up."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    data_dir: Path

    @property
    def services(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data_dir / "services.json").read_text())
        return found

    @property
    def ports(self) -> list[int]:
        """Return the own port of each API process; a process that is started again has the same."""
        return [api["port"] for api in self.services["api"]]

    def address(self, name: str) -> SplitResult:
        """Where "valkey" or "postgresql" listens, with user and password."""
        url: str = self.services[name]["url"]
        return urlsplit(url)

    def pid(self, name: str, place: int = 0) -> int:
        """Of "valkey", "postgresql" …, or of an API process by its place."""
        part = self.services[name]
        pid: int = part[place]["pid"] if isinstance(part, list) else part["pid"]
        return pid

    def kill(self, name: str, place: int = 0, *, number: int = signal.SIGKILL) -> int:
        pid = self.pid(name, place)
        os.kill(pid, number)
        return pid

    async def is_back(self, name: str, place: int = 0, *, dead: int, within_s: float = 60) -> float:
        """When another process answers in the place of the dead one, by the monotonic clock."""
        deadline = time.monotonic() + within_s
        while True:
            if self.pid(name, place) != dead:
                return time.monotonic()
            if time.monotonic() > deadline:
                raise NotRunning(f"{name} did not come back within {within_s:g} s.")
            await asyncio.sleep(0.02)

    @asynccontextmanager
    async def valkey(self) -> AsyncIterator[Redis]:
        client = Redis.from_url(self.services["valkey"]["url"], socket_timeout=1)
        try:
            yield client
        finally:
            await client.aclose()

    async def flush_valkey(self) -> None:
        async with self.valkey() as valkey:
            await valkey.flushall()

    async def cut_all_subscriptions(self) -> None:
        """Cut every process's pub/sub connection (CLIENT KILL), all at once."""
        async with self.valkey() as valkey:
            for client_id in await _subscribers(valkey):
                await valkey.client_kill_filter(_id=client_id)

    async def cut_each_subscription(self) -> None:
        """Cut the pub/sub connection of one process after the other, each when the last is back."""
        async with self.valkey() as valkey:
            client_ids = await _subscribers(valkey)
            for client_id in client_ids:
                await valkey.client_kill_filter(_id=client_id)
                async with asyncio.timeout(30):
                    while True:
                        now = await _subscribers(valkey)
                        if len(now) >= len(client_ids) and client_id not in now:
                            break
                        await asyncio.sleep(0.02)


async def _subscribers(valkey: Redis) -> list[str]:
    return [client["id"] for client in await valkey.client_list(_type="pubsub")]


def find_server(data_dir: Path) -> RunningServer | None:
    """Return the server that runs on this data directory."""
    return RunningServer(data_dir) if (data_dir / "services.json").exists() else None


@asynccontextmanager
async def start_server(
    *, api_processes: int = 2, environment: Mapping[str, str] | None = None
) -> AsyncIterator[RunningServer]:
    """`make serve` on a folder of its own and any free port, stopped and removed in the end."""
    with tempfile.TemporaryDirectory(prefix="parley-") as folder:
        data_dir = Path(folder) / "data"
        log_path = Path(folder) / "log"
        with log_path.open("w") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "parley", "dev"),
                cwd=ROOT,
                env={
                    **os.environ,
                    "PARLEY_DATA_DIR": str(data_dir),
                    "PARLEY_PORT": "0",
                    "PARLEY_API_PROCESSES": str(api_processes),
                    **(environment or {}),
                },
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert process.stdout is not None
        try:
            if not await asyncio.wait_for(process.stdout.readline(), 60):
                raise NotRunning(log_path.read_text())
            yield RunningServer(data_dir)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
