"""Who is measured: one API process of Parley, and the naive peer, each on a port of its own with a
world of its own, before the same PostgreSQL and Valkey.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from bench.generator.wire import HOST
from parley.embedded import EmbeddedServers
from parley.ports import free_port
from parley.settings import read_environment
from parley.supervision.part import CHECKOUT, StartError, SupervisedPart
from parley.supervision.probes import http_status

PROFILES = Path(__file__).with_name("profiles")
NODE_PEERS = Path(__file__).with_name("peers") / "node"
NODE_MODES = ("mercurius", "yoga")
NAIVE_DATABASE = "naive"


class Contestant(SupervisedPart):
    """A server process, kept on its cores."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        data_dir: Path,
        port: int,
        cores: set[int],
        ready_path: str,
        w2_rate: float,
    ) -> None:
        super().__init__(name, log_path=data_dir / "logs" / f"{name}.log")
        self.port = port
        self.profile = PROFILES / f"{name}.json"
        self.world = data_dir / f"{name}.world.json"
        # Sends a second that it can bear, with room.
        self.w2_rate = w2_rate
        self._command = command
        self._environment = environment
        self._cores = cores
        self._ready_path = ready_path

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", *self._command]

    def environment(self) -> Mapping[str, str]:
        return self._environment

    def answers(self) -> bool:
        return http_status(self.port, self._ready_path) == 200

    def start(self) -> None:
        super().start()
        if self._cores and self.pid is not None:
            # It has no threads yet: those that come inherit this.
            os.sched_setaffinity(self.pid, self._cores)


class Parley(Contestant):
    def __init__(
        self,
        servers: EmbeddedServers,
        cores: set[int],
        *,
        history: int,
        idle: int,
        limits: str = "development",
    ) -> None:
        port, environment = free_port(), _environment(servers)
        environment |= {
            "PARLEY_ENV": "development",
            "PARLEY_HOST": HOST,
            "PARLEY_PORT": str(port),
            "PARLEY_DATA_DIR": str(servers.data_dir),
            "PARLEY_SECRET": servers.secret,
        }
        super().__init__(
            "parley",
            ["parley", "serve"],
            environment,
            data_dir=servers.data_dir,
            port=port,
            cores=cores,
            ready_path="/readyz",
            w2_rate=200,
        )
        run_module(["parley", "migrate"], environment)
        sizes = [f"--history={history}", f"--idle={idle}"]
        run_module(["parley", "seed", f"--world={self.world}", *sizes], environment)
        # `serve` reads it when it starts; seeding is for development only.
        environment["PARLEY_ENV"] = limits


class Naive(Contestant):
    def __init__(
        self, servers: EmbeddedServers, cores: set[int], *, history: int, idle: int
    ) -> None:
        port, environment = free_port(), _environment(servers)
        url = urlsplit(servers.database_url)._replace(path=f"/{NAIVE_DATABASE}").geturl()
        environment["DATABASE_URL"] = url
        command = ["uvicorn", "bench.peers.naive:app", f"--host={HOST}", f"--port={port}"]
        super().__init__(
            "naive",
            [*command, "--no-access-log", "--log-level=warning"],
            environment,
            data_dir=servers.data_dir,
            port=port,
            cores=cores,
            ready_path="/graphql?query=%7B__typename%7D",
            w2_rate=50,
        )
        sizes = [f"--history={history}", f"--idle={idle}"]
        run_module(["bench.peers.seed", f"--world={self.world}", *sizes], environment)


class Node(Contestant):
    """A Node server: mercurius, or graphql-yoga with graphql-ws. It has the naive peer's tables,
    people and documents.
    """

    def __init__(
        self, mode: str, servers: EmbeddedServers, cores: set[int], naive: Naive, packages: Path
    ) -> None:
        environment = _environment(servers)
        port = free_port()
        environment |= {
            "MODE": mode,
            "PORT": str(port),
            "DSN": naive.environment()["DATABASE_URL"],
            "REDIS": environment["REDIS_URL"],
        }
        super().__init__(
            mode,
            [],
            environment,
            data_dir=servers.data_dir,
            port=port,
            cores=cores,
            ready_path="/graphql?query=%7B__typename%7D",
            w2_rate=200,
        )
        self.profile = naive.profile
        self.world = naive.world
        self._packages = packages

    def command(self) -> Sequence[str]:
        node = shutil.which("node")
        assert node is not None
        return [node, str(self._packages / "server.mjs")]


def install_node_peers(cache: Path) -> Path | None:
    """Return the folder with the Node peers and their packages, installed once for each set of
    versions; None where Node or npm is not there, or the packages cannot be fetched.
    """
    described = (NODE_PEERS / "package.json").read_bytes()
    folder = cache / f"node-peers-{hashlib.sha256(described).hexdigest()[:12]}"
    if shutil.which("node") is None or shutil.which("npm") is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "server.mjs"):
        shutil.copyfile(NODE_PEERS / name, folder / name)
    if not (folder / "node_modules").is_dir():
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
        done = subprocess.run(command, cwd=folder, check=False, timeout=300)
        if done.returncode:
            shutil.rmtree(folder)
            return None
    return folder


async def make_naive_database(servers: EmbeddedServers) -> None:
    connection = await asyncpg.connect(servers.database_url)
    if not await connection.fetchval(
        "SELECT 1 FROM pg_database WHERE datname = $1", NAIVE_DATABASE
    ):
        await connection.execute(f"CREATE DATABASE {NAIVE_DATABASE}")
    await connection.close()


def run_module(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a module to its end.

    Raises:
        StartError: with the last that it said.
    """
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env=dict(environment),
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode:
        raise StartError(f"{' '.join(command[:2])} failed. It said:\n{done.stderr[-2000:]}")


def _environment(servers: EmbeddedServers) -> dict[str, str]:
    """Ours without the operator's settings, which may name other servers and other limits."""
    inherited = {
        name: value
        for name, value in read_environment().items()
        if not name.startswith(("PARLEY_", "AWS_", "S3_", "PG"))
    }
    return {**inherited, **servers.environment(), "PYTHONPATH": str(CHECKOUT)}
