"""`python -m bench`: starts PostgreSQL, Valkey, Parley, the naive peer and Node's servers (where
Node is there), seeds them, measures them in turn, prints medians and ratios. Exit code 1 where a
floor does not hold.

With two cores or more, the measured servers are kept on the first; PostgreSQL, Valkey and the
generator on the second. Everything is on 127.0.0.1, in a data directory that goes afterwards.
"""

import argparse
import asyncio
import contextlib
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.contestants import (
    NODE_MODES,
    Contestant,
    Naive,
    Node,
    Parley,
    install_node_peers,
    make_naive_database,
)
from bench.generator.works import WORKS
from bench.plots import write_plots
from bench.report import NAIVE, PARLEY, Row, below_floor, median_row, ratio_table, table
from parley.embedded import EmbeddedServers
from parley.settings import SettingsError
from parley.supervision.part import CHECKOUT, StartError, start_and_wait

# A work whose name ends so has its sends on websockets.
ON_SOCKET = "ws"
# Works that no peer can do.
PARLEYS_OWN = ("w6",)
# Beside whom plots show Parley.
PEER = "mercurius"
# Packages of the Node peers.
CACHE = Path.home() / ".cache" / "parley"


def main(arguments: Sequence[str]) -> int:
    asked = _parse(arguments)
    try:
        with contextlib.ExitStack() as stack:
            if asked.data_dir is None:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="parley-bench-"))
                asked.data_dir = Path(folder)
            return _bench(asked)
    except (StartError, SettingsError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        return 130


def _bench(asked: argparse.Namespace) -> int:
    began = time.monotonic()
    server_cores, rest = share_cores()
    if rest:
        os.sched_setaffinity(0, rest)
    with (
        EmbeddedServers(asked.data_dir, only=("postgresql", "valkey")) as servers,
        _open_contestants(servers, server_cores, asked) as contestants,
    ):
        _say(f"ready after {time.monotonic() - began:.0f} s; {_machine(server_cores, rest)}")
        results = _measure(contestants, servers, asked)
    rows = [median_row(work, name, rounds) for (work, name), rounds in results.items()]
    _report(rows, asked, machine=_machine(server_cores, rest))
    failed = below_floor(rows)
    sys.stderr.writelines(f"{sentence}\n" for sentence in failed)
    _say(f"{time.monotonic() - began:.0f} s in all")
    return 1 if failed else 0


def share_cores() -> tuple[set[int], set[int]]:
    """Return the measured server's core, and the other; empty where there is no choice."""
    if not hasattr(os, "sched_getaffinity"):
        return set(), set()
    cores = sorted(os.sched_getaffinity(0))
    return ({cores[0]}, {cores[1]}) if len(cores) > 1 else (set(), set())


@contextlib.contextmanager
def _open_contestants(
    servers: EmbeddedServers, cores: set[int], asked: argparse.Namespace
) -> Iterator[list[Contestant]]:
    _say("seeding")
    sizes = {"history": asked.history, "idle": asked.idle}
    contestants: list[Contestant] = [Parley(servers, cores, **sizes)]
    if not asked.alone:
        asyncio.run(make_naive_database(servers))
        naive = Naive(servers, cores, **sizes)
        contestants.append(naive)
        packages = install_node_peers(CACHE) if asked.node else None
        if asked.node and packages is None:
            _say("without Node's servers: node, npm or the packages are not there")
        elif packages is not None:
            contestants += [Node(mode, servers, cores, naive, packages) for mode in NODE_MODES]
    start_and_wait(contestants)
    try:
        yield contestants
    finally:
        for contestant in contestants:
            contestant.stop()


def _measure(
    contestants: Sequence[Contestant], servers: EmbeddedServers, asked: argparse.Namespace
) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """By work and contestant, a result for each round. Contestants take turns: A B A B."""
    results: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for work in asked.works:
        for number in range(1, asked.rounds + 1):
            for contestant in contestants:
                if work in PARLEYS_OWN and contestant.name != PARLEY:
                    continue
                result = _run_load(work, contestant, servers, asked)
                results.setdefault((work, contestant.name), []).append(result)
                _say(
                    f"{work} round {number} {contestant.name:<9} {result['per_s']:>8,.0f}/s, "
                    f"us: server {result['cpu_us']['server']:,.1f}, "
                    f"postgresql {result['cpu_us'].get('postgresql', 0):,.1f}"
                )
    return results


def _run_load(
    work: str, contestant: Contestant, servers: EmbeddedServers, asked: argparse.Namespace
) -> dict[str, Any]:
    """One work in a process of its own, as a client is."""
    roots = {"server": contestant.pid}
    roots |= {name: servers.pid(name) for name in ("postgresql", "valkey")}
    command = [
        *(sys.executable, "-m", "bench.generator.load", work.removesuffix(ON_SOCKET)),
        *("--profile", str(contestant.profile)),
        *("--world", str(contestant.world)),
        *("--port", str(contestant.port)),
        *("--secs", str(asked.secs)),
        *("--rate", str(contestant.w2_rate)),
        *("--over", "ws" if work.endswith(ON_SOCKET) else "http"),
        *(f"--root={name}={pid}" for name, pid in roots.items()),
    ]
    done = subprocess.run(
        command,
        check=False,
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
        timeout=60 + 3 * asked.secs,
    )
    if done.returncode:
        words = f" It said:\n{contestant.last_words()}" if contestant.last_words() else ""
        raise StartError(f"{work} of {contestant.name} failed.{words}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _report(rows: Sequence[Row], asked: argparse.Namespace, *, machine: str) -> None:
    sys.stdout.write(f"\n{table(rows)}\n\n{ratio_table(rows)}\n")
    sys.stdout.flush()
    if asked.json is not None:
        found = {
            "measured": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
            "command": f"python -m bench {asked.command}".rstrip(),
            "machine": machine,
            "medians": [row._asdict() for row in rows],
        }
        asked.json.write_text(json.dumps(found, indent=2) + "\n")
    if asked.plots is not None:
        for path in write_plots([row for row in rows if row.name != NAIVE], asked.plots, base=PEER):
            _say(f"drew {path}")


def _machine(server_cores: set[int], rest: set[int]) -> str:
    pinned = (
        f"server on core {server_cores}, all else on core {rest}"
        if rest
        else "nothing is kept on a core"
    )
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {pinned}"


def _say(line: str) -> None:
    sys.stderr.write(f"bench: {line}\n")
    sys.stderr.flush()


def _works(text: str) -> list[str]:
    works = text.split(",")
    unknown = [work for work in works if work.removesuffix(ON_SOCKET) not in WORKS]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown {unknown}; there are {', '.join(WORKS)}, w1ws")
    return works


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=f"Measure {PARLEY} beside its peers."
    )
    parser.add_argument("--secs", type=float, default=4, help="of each round (4)")
    parser.add_argument("--rounds", type=int, default=3, help="of each work (3)")
    parser.add_argument(
        "--works",
        type=_works,
        default=["w1", "w1ws", "w2", "w2max", "w3", "w4", "w5"],
        help="w1,w1ws,w2,w2max,w3,w4,w5",
    )
    parser.add_argument("--history", type=int, default=100_000, help="messages of the long chat")
    parser.add_argument("--idle", type=int, default=5000, help="people who do nothing")
    parser.add_argument("--alone", action="store_true", help="without any peer")
    parser.add_argument(
        "--no-node",
        dest="node",
        action="store_false",
        help="without Node's servers (mercurius, graphql-yoga)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="the medians go there too")
    parser.add_argument(
        "--plots", type=Path, metavar="FOLDER", help=f"plots beside {PEER} go there, as SVG"
    )
    parser.add_argument(
        "--data-dir", type=Path, help="keep databases and logs there, for looking into them"
    )
    asked = parser.parse_args(arguments)
    asked.command = " ".join(arguments)
    return asked


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
