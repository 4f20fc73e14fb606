"""`python -m bench.sockets`: the memory of one API process that many idle people follow.

One API process of Parley on the first core; PostgreSQL, Valkey and the clients on the second. The
people open a websocket each, with their inbox on it, and do nothing; at each number the server's
resident memory is read, and how much CPU it needs in ten seconds for so many, which is for pings
and leases. The number of open files of a process bounds how many there can be.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from bench.contestants import Parley
from bench.generator.measures import Cpu, memory_kib, now
from bench.generator.target import Failed, Target
from bench.generator.wire import WebSocket
from bench.one_process import one_process

NUMBERS = (1000, 5000, 10_000, 19_000)
OPENED_AT_ONCE = 25
# Buffers that a beginning needs are given back by then.
SETTLE_S = 5
WATCHED_S = 10


def main() -> int:
    asked = _parse()
    with one_process(history=10, idle=max(asked.numbers)) as (parley, _):
        asyncio.run(_measure(parley, asked.numbers))
    return 0


async def _measure(parley: Parley, numbers: Sequence[int]) -> None:
    assert parley.pid is not None
    target = Target.read(parley.profile, parley.world, parley.port, roots={"server": parley.pid})
    failures: list[bytes] = []

    def take(_: WebSocket, payload: bytes) -> None:
        if b'"error' in payload:
            failures.append(payload)

    fresh_kib = memory_kib(parley.pid)
    sys.stdout.write(f"without a socket: {fresh_kib / 1024:,.0f} MiB\n")
    sys.stdout.write("sockets | MiB | KiB a socket | us to open one | ms of CPU a second\n")
    sockets: list[WebSocket] = []
    for number in sorted(numbers):
        cpu, before = Cpu(target.roots), len(sockets)
        while len(sockets) < number:
            people = target.world.idle[len(sockets) : len(sockets) + OPENED_AT_ONCE]
            sockets += await asyncio.gather(
                *(target.follow(one.token, one.conv, take, after=0, cached=True) for one in people)
            )
        opening = cpu.stop(number - before)["cpu_us"]["server"]
        await asyncio.sleep(SETTLE_S)
        cpu, began = Cpu(target.roots), now()
        await asyncio.sleep(WATCHED_S)
        idle_ms = cpu.stop(1)["cpu_us"]["server"] / 1000 / (now() - began)
        if failures or any(socket.closed for socket in sockets):
            raise Failed(f"Some idle sockets did not stay: {failures[:1]}")
        kib = memory_kib(parley.pid)
        sys.stdout.write(
            f"{number:,} | {kib / 1024:,.0f} | {(kib - fresh_kib) / number:.1f} | {opening:.0f} | "
            f"{idle_ms:.1f}\n"
        )
        sys.stdout.flush()
    target.close()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.sockets")
    parser.add_argument(
        "numbers", type=int, nargs="*", default=NUMBERS, help="of sockets (1000 5000 10000 19000)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
