"""`python -m bench.away`: whether sending takes longer where the others of a group of 100 are away,
and are pushed to, than where they are online.

One API process and one worker, both real; 1,000 messages one after the other to each group, in
turns, and their median and 99th percentile.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2

from bench.generator.measures import summary
from bench.pushes import fake_apns
from models import ids
from models.limits.limits import Limits
from models.postgresql.database import Database
from models.push.addresses import ApnsAddress
from models.push.endpoints import set_endpoint
from models.tokens import Tokens
from parley.embedded import EmbeddedServers
from parley.migrations import migrate
from parley.ports import free_port
from parley.settings import DEVELOPMENT_LIMITS
from parley.supervision.probes import http_status
from tests.client import open_socket
from tests.groups import make_group
from tests.make import Person, make_person
from tests.push.fakes.apns import TOPIC
from tests.serving import Server
from tests.waiting import eventually

SECRET = "a secret of the bench, of no use anywhere else"
INBOX = "subscription { inbox { __typename ... on MessageAdded { message { id seq text } } } }"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.away")
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=4)
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as folder,
        EmbeddedServers(Path(folder), only=("postgresql", "valkey")) as servers,
        fake_apns() as fake,
    ):
        migrate(servers.database_url)
        found = asyncio.run(_measure(servers, fake, asked))
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0


async def _measure(
    servers: EmbeddedServers, fake: dict[str, Any], asked: argparse.Namespace
) -> dict[str, Any]:
    database = await Database.open(servers.database_url)
    tokens = Tokens(SECRET, replace(Limits(), access_token_ttl_s=24 * 3600))
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(_api(servers))
        await stack.enter_async_context(_worker(servers, fake))
        sender = await make_person(server, database, tokens, "Sender")
        here = [await make_person(server, database, tokens, f"Here {n}") for n in range(99)]
        away = [await make_person(server, database, tokens, f"Away {n}") for n in range(99)]
        for person in away:
            await _give_phone(database, person)
        groups = {
            "online": await make_group(sender, *here),
            "away": await make_group(sender, *away),
        }
        for person in here:
            await stack.enter_async_context(_following(person))
        took: dict[str, list[float]] = {name: [] for name in groups}
        for _ in range(asked.rounds):
            for name, group in groups.items():
                took[name] += await _send(sender, group, asked.messages // asked.rounds)
        shown = await database.fetchval("SELECT count(*) FROM push_states WHERE shown_seq > 0")
    await database.close()
    found: dict[str, Any] = {name: summary(each) for name, each in took.items()}
    ratio = found["away"]["p50_ms"] / found["online"]["p50_ms"]
    return found | {"away_to_online": round(ratio, 2), "phones_that_show_something": shown}


async def _send(sender: Person, group: str, count: int) -> list[float]:
    took = []
    for _ in range(count):
        began = time.perf_counter()
        await sender.say(group, "a word " * 14)
        took.append(time.perf_counter() - began)
    return took


async def _give_phone(database: Database, person: Person) -> None:
    address = ApnsAddress(ids.new_id() * 2, TOPIC)
    await set_endpoint(
        database, person.user.id, person.inner_device_id, address, now=datetime.now(UTC)
    )


@asynccontextmanager
async def _following(person: Person) -> AsyncIterator[None]:
    async with open_socket(person.server) as socket:
        await socket.init(person.token)
        await socket.subscribe(INBOX)
        reading = asyncio.create_task(_read(socket.connection))
        try:
            yield
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def _read(connection: Any) -> None:
    async for _ in connection:
        continue


@asynccontextmanager
async def _api(servers: EmbeddedServers) -> AsyncIterator[Server]:
    port = free_port()
    environment = {
        **os.environ,
        "PARLEY_ENV": "development",
        "PARLEY_SECRET": SECRET,
        "PARLEY_PORT": "0",
        "PARLEY_OWN_PORT": str(port),
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": servers.redis_url,
        "PARLEY_GROUP_MEMBERS": str(DEVELOPMENT_LIMITS.group_members),
    }
    async with _running(("parley", "serve"), environment, b""):
        await eventually(lambda: http_status(port, "/readyz") == 200, within_s=30)
        async with httpx2.AsyncClient(timeout=15, trust_env=False) as http:
            yield Server(None, port, http)  # type: ignore[arg-type]


@asynccontextmanager
async def _worker(servers: EmbeddedServers, fake: dict[str, Any]) -> AsyncIterator[None]:
    given = {
        "database_url": servers.database_url,
        "apns_url": fake["url"],
        "key": fake["key"],
        "concurrency": 200,
    }
    command = ("tests.push.worker_process",)
    async with _running(command, dict(os.environ), json.dumps(given).encode()):
        yield


@asynccontextmanager
async def _running(
    module: Sequence[str], environment: dict[str, str], given: bytes
) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *module),
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdin is not None
    process.stdin.write(given)
    process.stdin.close()
    try:
        yield
    finally:
        process.kill()
        await process.wait()


if __name__ == "__main__":
    raise SystemExit(main())
