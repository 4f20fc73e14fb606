"""`python -m bench.pushes`: how many pushes one worker process sends in a second to a fake APNs,
and what a push costs it and PostgreSQL.

The jobs are queued before the worker starts: each is of another device and channel, of a person
with one unread message. The worker has a core of its own where there are two; the fake, which
checks as APNs does, and PostgreSQL share the other.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.generator.measures import Cpu
from models.limits.limits import Limits
from models.postgresql.database import Database
from models.push.states import Want, want_pushes
from parley.embedded import EmbeddedServers
from parley.migrations import migrate
from tests.push.fakes.apns import TOPIC, FakeApns
from tests.waiting import eventually

_SEED = (
    # Person n has the id …n, the device …n, and a chat …n with person 0.
    "INSERT INTO users (id, name, created_at) SELECT lpad(to_hex(n), 32, '0')::uuid, "
    "'Person ' || n, now() FROM generate_series(0, $1::int) n",
    "INSERT INTO devices (user_id, id, name, platform, created_at, last_active_at, refreshed_at, "
    "access_expires_at) SELECT id, id, 'A phone', 'IOS', now(), now(), now(), now() FROM users "
    "WHERE $1::int > 0",
    "INSERT INTO push_endpoints (user_id, device_id, kind, address, set_at) SELECT id, id, 'APNS', "
    "jsonb_build_object('type', 'APNS', 'token', repeat(replace(id::text, '-', ''), 2), 'topic', "
    "$2::text), now() FROM users WHERE $1::int > 0",
    "INSERT INTO channels (id, kind, created_at, last_seq, last_at) SELECT id, 1, now(), 1, now() "
    "FROM users WHERE $1::int > 0",
    "INSERT INTO members (channel_id, user_id, role, joined_at, joined_seq) "
    "SELECT u.id, x.id, 1, now(), 1 FROM users u, LATERAL (VALUES (u.id), "
    "(lpad('', 32, '0')::uuid)) x (id) WHERE $1::int > 0 ON CONFLICT DO NOTHING",
    "INSERT INTO user_channels (user_id, channel_id) SELECT id, id FROM users WHERE $1::int > 0",
    "INSERT INTO messages (channel_id, seq, kind, sender_id, text, sent_at) SELECT id, 1, 1, "
    "lpad('', 32, '0')::uuid, repeat('a word ', 14), now() FROM users WHERE $1::int > 0",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.pushes")
    parser.add_argument("--pushes", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int, default=200)
    parser.add_argument("--fake", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.fake:
        asyncio.run(_serve_fake())
        return 0
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[1]})
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as folder,
        EmbeddedServers(Path(folder), only=("postgresql",)) as servers,
        fake_apns() as fake,
    ):
        migrate(servers.database_url)
        found = asyncio.run(_measure(servers, fake, asked, cores[0]))
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0


@contextmanager
def fake_apns() -> Iterator[dict[str, Any]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.pushes", "--fake"], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


async def _serve_fake() -> None:
    fake = FakeApns()
    await fake.start()
    sys.stdout.write(json.dumps({"url": fake.url, "key": fake.key}) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


async def _measure(
    servers: EmbeddedServers, fake: dict[str, Any], asked: argparse.Namespace, core: int
) -> dict[str, Any]:
    database = await Database.open(servers.database_url, statement_timeout_s=60)
    for statement in _SEED:
        arguments = (asked.pushes, TOPIC)[: 2 if "$2" in statement else 1]
        await database.execute(statement, *arguments)
    await database.execute("ANALYZE")
    queued_s = await _queue(database, asked.pushes)
    given = {
        "database_url": servers.database_url,
        "apns_url": fake["url"],
        "key": fake["key"],
        "concurrency": asked.concurrency,
    }
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.push.worker_process"),
        stdin=asyncio.subprocess.PIPE,
    )
    os.sched_setaffinity(worker.pid, {core})
    assert worker.stdin is not None
    try:
        worker.stdin.write(json.dumps(given).encode())
        worker.stdin.close()
        return {"queue_ms_per_push": queued_s} | await _watch(
            database, servers, worker.pid, asked.pushes
        )
    finally:
        worker.kill()
        await worker.wait()
        await database.close()


async def _queue(database: Database, pushes: int) -> float:
    """Milliseconds for each."""
    began = time.perf_counter()
    for start in range(1, pushes + 1, 1000):
        people = [f"{n:032x}" for n in range(start, min(start + 1000, pushes + 1))]
        wants = [Want(person, person, 1) for person in people]
        await want_pushes(database, wants, limits=Limits())
    return round((time.perf_counter() - began) * 1000 / pushes, 3)


async def _wait_until_left(database: Database, most: float) -> int:
    """Return how many jobs are left, once it is no more than that."""

    async def left() -> list[int]:
        found: int = await database.fetchval("SELECT count(*) FROM jobs")
        return [found] if found <= most else []

    [found] = await eventually(left, within_s=300)
    return found


async def _watch(
    database: Database, servers: EmbeddedServers, worker_pid: int, pushes: int
) -> dict[str, Any]:
    """From when a tenth is done until nearly all is."""

    first = await _wait_until_left(database, pushes * 0.9)
    cpu = Cpu({"worker": worker_pid, "postgresql": servers.pid("postgresql")})
    began = time.perf_counter()
    last = await _wait_until_left(database, pushes * 0.05)
    elapsed_s, done = time.perf_counter() - began, first - last
    shown = await database.fetchval("SELECT count(*) FROM push_states WHERE shown_seq = 1")
    return {"pushes_per_s": round(done / elapsed_s), **cpu.stop(done), "shown": shown}


if __name__ == "__main__":
    raise SystemExit(main())
