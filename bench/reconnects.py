"""`python -m bench.reconnects` (W7): everybody comes back at once after a deploy, each with many
channels, of which one in a hundred has something new.

One API process on the first core; PostgreSQL, Valkey and the clients on the second. Printed are,
for each number of channels, how long it took until all had `InboxReady`, the CPU of a connect, and
how long another person's sends took alone and meanwhile.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bench.contestants import Parley
from bench.generator.measures import Cpu, now, summary
from bench.generator.sender import Sender
from bench.generator.target import Failed, Target
from bench.generator.wire import WebSocket
from bench.one_process import one_process
from models import ids
from models.limits.limits import Limits
from models.postgresql.database import connect
from models.seeding.rows import SeededUser, SeedRows
from models.seeding.seeding import write_rows
from models.tokens import Tokens
from parley.embedded import EmbeddedServers

TOKEN_TTL_S = 24 * 3600
# People who have all their channels together: each of these is a group of theirs.
CIRCLE = 50
GROUP_ENTRIES = 10
# One channel of so many has something new.
NEW_IN = 100
# Sockets that are being opened: more would wait in the kernel's queue of connections.
OPENED_AT_ONCE = 200
CALM_S = 3
READY_WITHIN_S = 120


def main() -> int:
    asked = _parse()
    with one_process() as (parley, servers):
        for channels in asked.channels:
            found = asyncio.run(_measure(parley, servers, asked.people, channels))
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()
    return 0


async def _measure(
    parley: Parley, servers: EmbeddedServers, people: int, channels: int
) -> dict[str, Any]:
    assert parley.pid is not None
    roots = {"server": parley.pid, "postgresql": servers.pid("postgresql")}
    target = Target.read(parley.profile, parley.world, parley.port, roots=roots)
    users, with_news = await _seed(servers, people, channels)
    for conv, user in with_news:
        await (await Sender(target, user.token, conv).open()).send(0)
    pair = target.world.pairs[0]
    bystander = _Bystander(await Sender(target, pair.a, pair.conv).open())
    alone = await bystander.send_during(asyncio.sleep(CALM_S))
    storm = _Storm(target)
    cpu, began = Cpu(roots), now()
    meanwhile = await bystander.send_during(storm.run([user.token for user in users]))
    took_s = now() - began
    used = cpu.stop(len(users))
    target.close()
    return {
        "people": len(users),
        "channels": channels,
        "all_ready_s": round(took_s, 2),
        "ready": summary(storm.latencies),
        "replayed": storm.replayed,
        **used,
        "bystander_alone": alone,
        "bystander_meanwhile": meanwhile,
    }


async def _seed(
    servers: EmbeddedServers, people: int, channels: int
) -> tuple[list[SeededUser], list[tuple[str, SeededUser]]]:
    """Return the people, and the channels that get something new, each with one who sends it."""
    tokens = Tokens(servers.secret, replace(Limits(), access_token_ttl_s=TOKEN_TTL_S))
    connection = await connect(servers.database_url)
    everybody: list[SeededUser] = []
    with_news: list[tuple[str, SeededUser]] = []
    made = 0
    for _ in range(max(1, people // CIRCLE)):
        rows = SeedRows(tokens, datetime.now(UTC))
        circle = [rows.add_user() for _ in range(CIRCLE)]
        for _ in range(channels):
            log = rows.add_group(circle, entries=GROUP_ENTRIES)
            made += 1
            if made % NEW_IN == 0:
                with_news.append((ids.channel_global_id(log.channel_id), circle[0]))
        await write_rows(connection, rows)
        everybody += circle
    await connection.execute("VACUUM ANALYZE", timeout=600)
    await connection.close()
    return everybody, with_news


class _Storm:
    """Everybody who comes back: their sockets, and when each has its `InboxReady`."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._opening = asyncio.Semaphore(OPENED_AT_ONCE)
        self.latencies: list[float] = []
        self.replayed = 0

    async def run(self, tokens: Sequence[str]) -> None:
        async with asyncio.timeout(READY_WITHIN_S), asyncio.TaskGroup() as tasks:
            for token in tokens:
                tasks.create_task(self._come_back(token))

    async def _come_back(self, token: str) -> None:
        target, ready = self._target, asyncio.Event()
        assert target.profile.inbox is not None
        failures: list[bytes] = []

        def take(_: WebSocket, payload: bytes) -> None:
            if b'"InboxReady"' in payload:
                ready.set()
            elif b'"MessageAdded"' in payload:
                self.replayed += 1
            elif b'"error' in payload:
                failures.append(payload)
                ready.set()

        async with self._opening:
            began = now()
            socket = await target.open_socket(token, take)
            body = target.body(target.profile.inbox)
            socket.send(b'{"id":"s1","type":"subscribe","payload":%s}' % body)
            await ready.wait()
        if failures:
            raise Failed(failures[0][:300].decode(errors="replace"))
        self.latencies.append(now() - began)


class _Bystander:
    """Sends one message after the other."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._sent = 0

    async def send_during(self, what: Any) -> dict[str, float]:
        doing = asyncio.ensure_future(what)
        latencies = []
        while not doing.done():
            began = now()
            self._sent += 1
            await self._sender.send(self._sent)
            latencies.append(now() - began)
            await asyncio.sleep(0.01)
        await doing
        return summary(latencies)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.reconnects")
    parser.add_argument("--people", type=int, default=5000, help="who come back (5,000)")
    parser.add_argument(
        "--channels",
        type=lambda text: [int(each) for each in text.split(",")],
        default=[50],
        metavar="N,N",
        help="of each of them, one run for each number (50)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
