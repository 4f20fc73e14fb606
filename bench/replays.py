"""`python -m bench.replays`: two people talk as they always do, while hundreds of clients come back
at once and have much replayed.

One API process on the first core; PostgreSQL, Valkey, the clients and the two people on the second.
Printed are the people's latencies alone and meanwhile, and how many entries were replayed a second.
Exit code 1 where the 99th percentile of any of them reaches 500 ms.
"""

import argparse
import asyncio
import json
import re
import sys
import uuid
from collections.abc import Iterator
from typing import Any

from bench.attack import P99_MS, People
from bench.contestants import Parley
from bench.generator.measures import Cpu, now
from bench.generator.target import Target
from bench.generator.wire import WebSocket, post
from bench.one_process import one_process
from parley.embedded import EmbeddedServers

CALM_S = 10


def main() -> int:
    asked = _parse()
    with one_process(history=1000, idle=10) as (parley, servers):
        found = asyncio.run(_measure(parley, servers, asked))
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    failed = list(_failures(found))
    sys.stderr.writelines(f"{sentence}\n" for sentence in failed)
    return 1 if failed else 0


async def _measure(
    parley: Parley, servers: EmbeddedServers, asked: argparse.Namespace
) -> dict[str, Any]:
    assert parley.pid is not None
    roots = {"server": parley.pid, "postgresql": servers.pid("postgresql")}
    target = Target.read(parley.profile, parley.world, parley.port, roots=roots)
    head = await _write_history(target, asked.entries)
    people = await People(target).open()
    found: dict[str, Any] = {"alone": await people.talk(CALM_S)}
    storm = _Storm(target, asked, head - asked.entries)
    running = asyncio.ensure_future(storm.run())
    cpu, began = Cpu(roots), now()
    found["meanwhile"] = await people.talk(asked.secs)
    found["cpu"] = cpu.stop(max(1, storm.entries))
    found["replayed_per_s"] = round(storm.entries / (now() - began))
    found["waves"] = storm.waves
    running.cancel()
    target.close()
    return found


async def _write_history(target: Target, entries: int) -> int:
    """Where the group's log ends."""
    group = target.world.group
    clients = [await target.connect() for _ in range(8)]

    async def write(place: int) -> int:
        seq = 0
        for _ in range(entries // 8 + 1):
            body = target.body(
                target.profile.send, conv=group.conv, text="history " * 12, uuid=uuid.uuid4()
            )
            raw = post(target.profile.path, body, target.headers(group.sender))
            status, answer = await clients[place].request(raw)
            found = re.search(rb'"seq":(\d+)', target.check(answer, status))
            seq = int(found[1]) if found else seq
        return seq

    return max(await asyncio.gather(*(write(place) for place in range(8))))


class _Storm:
    """Waves of clients: all come at once, and go when each has had its replay."""

    def __init__(self, target: Target, asked: argparse.Namespace, after: int) -> None:
        self._target = target
        self._after = after
        self._asked = asked
        self.entries = 0
        self.waves = 0

    async def run(self) -> None:
        while True:
            group = self._target.world.group
            tokens = [group.members[n % len(group.members)] for n in range(self._asked.clients)]
            began = now()
            await asyncio.gather(*(self._replay(token) for token in tokens))
            self.waves += 1
            sys.stderr.write(f"a wave took {now() - began:.1f} s\n")

    async def _replay(self, token: str) -> None:
        left = self._asked.entries
        done = asyncio.Event()

        def take(_: WebSocket, payload: bytes) -> None:
            nonlocal left
            target.check(payload)
            left -= 1
            self.entries += 1
            if left <= 0:
                done.set()

        target, conv = self._target, self._target.world.group.conv
        socket = await target.follow(token, conv, take, after=self._after)
        await done.wait()
        socket.close()


def _failures(found: dict[str, Any]) -> Iterator[str]:
    for kind in ("sends", "pages", "deliveries"):
        if found["meanwhile"][kind]["p99_ms"] >= P99_MS:
            yield f"The 99th percentile of {kind} is {found['meanwhile'][kind]['p99_ms']} ms."


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.replays")
    parser.add_argument("--secs", type=float, default=20, help="of the storm (20)")
    parser.add_argument("--clients", type=int, default=300, help="that come back at once (300)")
    parser.add_argument("--entries", type=int, default=900, help="replayed to each (900)")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
