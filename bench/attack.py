"""`python -m bench.attack`: attacks of all kinds at once, while two people talk as they always do.

One API process with production's limits on the first core; PostgreSQL, Valkey, the attackers and
the two people on the second. The people send and read at a fixed rate, first alone, then under
attack; printed are their latencies in both, what the attackers got, and the server's memory. Exit
code 1 where the 99th percentile of any of the three reaches 500 ms, a request of the people fails,
the server answered anybody with a status of 500 or more, or its memory grew by more than 200 MB.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.__main__ import share_cores
from bench.attackers import Attackers, run_attacks
from bench.contestants import Parley
from bench.generator.deliveries import Deliveries
from bench.generator.loops import run_open
from bench.generator.measures import memory_kib, now, summary
from bench.generator.sender import Sender
from bench.generator.target import Failed, Target
from bench.generator.wire import post
from parley.embedded import EmbeddedServers
from parley.supervision.part import CHECKOUT, start_and_wait

P99_MS = 500
GROWTH_MB = 200
# Sends, and pages, a second.
RATE = 10
CALM_S = 10
DELIVERED_WITHIN_S = 60


def main() -> int:
    asked = _parse()
    if asked.attack is not None:
        return asyncio.run(_attack(Path(asked.attack), asked))
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        server_cores, rest = share_cores()
        if rest:
            os.sched_setaffinity(0, rest)
        with EmbeddedServers(Path(folder), only=("postgresql", "valkey")) as servers:
            parley = Parley(servers, server_cores, history=100_000, idle=100, limits="production")
            start_and_wait([parley])
            try:
                found = asyncio.run(_measure(parley, asked.secs))
            finally:
                parley.stop()
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    failed = list(_failures(found))
    sys.stderr.writelines(f"{sentence}\n" for sentence in failed)
    return 1 if failed else 0


async def _measure(parley: Parley, secs: float) -> dict[str, Any]:
    assert parley.pid is not None
    target = Target.read(parley.profile, parley.world, parley.port)
    people = await People(target).open()
    found: dict[str, Any] = {"alone": await people.talk(CALM_S)}
    before = memory_kib(parley.pid)
    attack = await asyncio.create_subprocess_exec(
        *("nice", sys.executable, "-m", "bench.attack", f"--attack={parley.world}"),
        *(f"--port={parley.port}", f"--secs={secs}"),
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
    )
    with _most_memory(parley.pid) as most:
        found["under attack"] = await people.talk(secs)
        printed, _ = await asyncio.wait_for(attack.communicate(), 120)
    target.close()
    found["attackers"] = json.loads(printed)
    found["memory_mb"] = {"before": before // 1024, "most": most[0] // 1024}
    return found


class People:
    """Two who talk: one sends and reads the newest page, the other follows."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._pair = target.world.pairs[0]
        self._deliveries = Deliveries(1)
        self._sent = 0

    async def open(self) -> "People":
        target, pair = self._target, self._pair
        await target.follow(pair.b, pair.conv, self._deliveries.take)
        self._sender = await Sender(target, pair.a, pair.conv).open()
        self._reader = await target.connect()
        await asyncio.sleep(1)
        return self

    async def talk(self, secs: float) -> dict[str, Any]:
        self._deliveries.reset()
        sends: list[float] = []
        pages: list[float] = []
        failed: list[str] = []
        busy = asyncio.Lock(), asyncio.Lock()

        async def timed(kind: int, times: list[float]) -> None:
            # From when it was due: whoever waits for the one before waits as well.
            began = now()
            try:
                async with busy[kind]:
                    await (self._page() if kind else self._send())
            except (Failed, ConnectionError) as error:
                failed.append(repr(error))
            times.append(now() - began)

        async def one(_: int) -> None:
            await asyncio.gather(timed(0, sends), timed(1, pages))

        await run_open(RATE, int(RATE * secs), one)
        try:
            await self._deliveries.wait_for(len(sends) - len(failed), DELIVERED_WITHIN_S)
        except Failed as error:
            failed.append(repr(error))
        return {
            "sends": summary(sends),
            "pages": summary(pages),
            "deliveries": summary(self._deliveries.latencies),
            "count": len(sends),
            "failed": failed[:5],
        }

    async def _send(self) -> None:
        self._sent += 1
        await self._sender.send(self._sent)

    async def _page(self) -> None:
        target = self._target
        body = target.body(target.profile.history, conv=self._pair.conv)
        raw = post(target.profile.path, body, target.headers(self._pair.a))
        status, answer = await self._reader.request(raw)
        target.check(answer, status)


@contextlib.contextmanager
def _most_memory(pid: int) -> Iterator[list[int]]:
    """The most that the process tree holds, in KiB, looked at each half second."""
    most = [memory_kib(pid)]

    async def look() -> None:
        while True:
            most[0] = max(most[0], memory_kib(pid))
            await asyncio.sleep(0.5)

    looking = asyncio.ensure_future(look())
    try:
        yield most
    finally:
        looking.cancel()


async def _attack(world: Path, asked: argparse.Namespace) -> int:
    profile = Path(__file__).with_name("profiles") / "parley.json"
    target = Target.read(profile, world, asked.port)
    tokens = [pair.b for pair in target.world.pairs[-8:]]
    attackers = Attackers(target, tokens, asked.secs)
    await run_attacks(attackers)
    found = {"counts": dict(sorted(attackers.counts.items())), "failures": attackers.failures[:10]}
    sys.stdout.write(json.dumps(found))
    return 0


def _failures(found: dict[str, Any]) -> Iterator[str]:
    under = found["under attack"]
    for kind in ("sends", "pages", "deliveries"):
        if under[kind]["p99_ms"] >= P99_MS:
            yield f"The 99th percentile of {kind} is {under[kind]['p99_ms']} ms under attack."
    if under["failed"]:
        yield f"Requests of the people failed: {under['failed']}"
    if found["attackers"]["failures"]:
        yield f"The server failed an attacker: {found['attackers']['failures'][0]}"
    grown = found["memory_mb"]["most"] - found["memory_mb"]["before"]
    if grown > GROWTH_MB:
        yield f"The server grew by {grown} MB."


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.attack")
    parser.add_argument("--secs", type=float, default=60, help="of the attack (60)")
    parser.add_argument("--attack", metavar="WORLD", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
