import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
from websockets.sync.client import ClientConnection, connect

from parley.embedded import EmbeddedServers
from parley.ports import free_port
from parley.supervision.part import CHECKOUT
from parley.supervision.probes import http_status
from tests.embedded.process_table import descendants, living
from tests.waiting import wait_until


@dataclass
class Supervised:
    """A supervisor that a test started, and what it says."""

    process: subprocess.Popen[str]
    data_dir: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def services(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data_dir / "services.json").read_text())
        return found

    def pid_of(self, name: str) -> int:
        entry = self.services()[name]
        pid: int = entry[0]["pid"] if isinstance(entry, list) else entry["pid"]
        return pid

    def kill_all(self) -> None:
        """A crash of everything at once, the supervisor first so that it mends nothing."""
        parts = descendants(self.pid)
        self.process.kill()
        _kill(living(parts))
        self.process.wait(60)
        # Their ports are free.
        wait_until(lambda: not living(parts))


StartSupervised = Callable[..., Supervised]


@pytest.fixture
def start_supervised(tmp_path: Path) -> Iterator[StartSupervised]:
    """Starts `tests.embedded.supervised` and waits until it is ready."""
    started: list[subprocess.Popen[str]] = []
    parts: set[int] = set()

    def start(*words: str) -> Supervised:
        data_dir = tmp_path / "parley"
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.embedded.supervised", str(data_dir), *words],
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert _line(process.stdout) == "ready\n", _rest(process)
        parts.update(descendants(process.pid))
        return Supervised(process, data_dir)

    yield start
    for process in started:
        parts.update(descendants(process.pid))
        process.kill()
        process.wait(60)
        _close(process)
    # Nothing is left for the next test, whatever this one found.
    with contextlib.suppress(AssertionError):
        wait_until(lambda: not living(parts))
    _kill(living(parts))


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    with EmbeddedServers(tmp_path_factory.mktemp("servers") / "parley") as running:
        yield running


def _kill(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline()


def _rest(process: subprocess.Popen[str]) -> str:
    process.kill()
    return process.communicate()[1]


def _close(process: subprocess.Popen[str]) -> None:
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


@dataclass
class Serving:
    process: subprocess.Popen[str]
    port: int
    own_port: int

    def get(self, path: str, port: int | None = None) -> str:
        address = f"http://127.0.0.1:{port or self.port}{path}"
        with urllib.request.urlopen(address, timeout=60) as answer:
            text: str = answer.read().decode()
            return text

    def socket(self) -> ClientConnection:
        return connect(f"ws://127.0.0.1:{self.own_port}/echo", compression=None)


Serve = Callable[..., Serving]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a process of `tests.embedded.serving`, on the port of another if one is given."""
    with _serving() as start:
        yield start


@pytest.fixture(scope="module")
def serve_for_all() -> Iterator[Serve]:
    """The same, for as long as a module's tests."""
    with _serving() as start:
        yield start


@contextlib.contextmanager
def _serving() -> Iterator[Serve]:
    started: list[subprocess.Popen[str]] = []

    def start(port: int | None = None, *, drain_s: float = 0.0, **limits: float) -> Serving:
        port = port or free_port()
        own_port = free_port([port])
        arguments = [str(port), str(own_port), str(drain_s), json.dumps(limits)]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.embedded.serving", *arguments],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        wait_until(lambda: http_status(own_port, "/pid") == 200)
        return Serving(process, port, own_port)

    yield start
    for process in started:
        process.kill()
        process.communicate()
