"""`python -m bench.profile WORK`: draws where one API process spends its time during a work, as a
flame graph (SVG), with py-spy.

W1 is a send, W3 a delivery, W5 a page. Only the thread that runs Python is counted.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.__main__ import ON_SOCKET, share_cores
from bench.contestants import Parley
from bench.generator.works import WORKS
from parley.embedded import EmbeddedServers
from parley.supervision.part import CHECKOUT, StartError, start_and_wait

# The load needs so long to open its sockets and to warm up.
BEFORE_S = 3
SAMPLES_PER_S = 400
PY_SPY = Path(sys.executable).with_name("py-spy")


def main(arguments: Sequence[str]) -> int:
    asked = _parse(arguments)
    if not PY_SPY.is_file():
        sys.stderr.write("py-spy is not installed; run: make install\n")
        return 2
    try:
        with tempfile.TemporaryDirectory(prefix="parley-profile-") as folder:
            return _profile(asked, Path(folder))
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _profile(asked: argparse.Namespace, folder: Path) -> int:
    server_cores, rest = share_cores()
    if rest:
        os.sched_setaffinity(0, rest)
    with EmbeddedServers(folder, only=("postgresql", "valkey")) as servers:
        parley = Parley(servers, server_cores, history=asked.history, idle=100)
        start_and_wait([parley])
        try:
            with _load(asked, parley):
                time.sleep(BEFORE_S)
                done = subprocess.run(_record(parley, asked), check=False)
        finally:
            parley.stop()
    if done.returncode == 0:
        sys.stdout.write(f"{asked.out}\n")
    return done.returncode


@contextlib.contextmanager
def _load(asked: argparse.Namespace, parley: Parley) -> Iterator[None]:
    command = [
        *(sys.executable, "-m", "bench.generator.load", asked.work.removesuffix(ON_SOCKET)),
        *("--profile", str(parley.profile), "--world", str(parley.world)),
        *("--port", str(parley.port), "--secs", str(asked.secs + BEFORE_S)),
        *("--over", "ws" if asked.work.endswith(ON_SOCKET) else "http"),
        *("--root", f"server={parley.pid}"),
    ]
    load = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        load.wait(timeout=60)


def _record(parley: Parley, asked: argparse.Namespace) -> list[str]:
    return [
        *(str(PY_SPY), "record", "--pid", str(parley.pid), "--duration", str(asked.secs)),
        *("--gil", "--rate", str(SAMPLES_PER_S)),
        *("--format", asked.format, "--output", str(asked.out)),
    ]


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    works = [*WORKS, f"w1{ON_SOCKET}"]
    parser = argparse.ArgumentParser(
        prog="python -m bench.profile", description="Draw where a work's time is spent."
    )
    parser.add_argument("work", choices=works)
    parser.add_argument("--secs", type=int, default=8, help="that are looked at (8)")
    parser.add_argument("--history", type=int, default=20_000, help="messages of the long chat")
    parser.add_argument("--format", default="flamegraph", help="as py-spy names it (flamegraph)")
    parser.add_argument("--out", type=Path, help="the SVG (profile-WORK.svg)")
    asked = parser.parse_args(arguments)
    asked.out = asked.out or Path(f"profile-{asked.work}.svg")
    return asked


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
