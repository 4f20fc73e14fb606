"""`python -m bench.budgets`: how much CPU token buckets add to a send, as a share of it.

One process without HTTP: sends go through the engine and the committer into real PostgreSQL.
Beside them the budgets of production are taken from, filled from real Valkey: by people who have
tokens in hand, by people who send five messages each, and by somebody new each time.
"""

import asyncio
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from models import ids
from models.channels.chats import open_chat
from models.devices.viewer import Viewer
from models.limits.buckets import Buckets
from models.limits.limits import Limits
from models.users.users import User, create_user
from parley.charges import charge
from parley.embedded import EmbeddedServers
from parley.engine.engine import Engine
from parley.migrations import migrate
from parley.resources import Process, open_process
from parley.schema import PUBLIC_FIELDS, make_schema
from parley.settings import DEVELOPMENT_LIMITS, Settings
from schema.context import Context
from subscriptions.buckets import Refill
from subscriptions.nodes.opening import open_valkey

SECRET = "a secret of the bench, of no use anywhere else"
BUDGET = "sends_per_user"
SENDERS, SENDS = 64, 100
# What is spent between two turns of the loop: as many as are sent in 20 ms.
TURN, TURN_S = 100, 0.02
SEND = """mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename
    ... on SendMessagePayload { message { id seq } } } }"""


def main() -> int:
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as folder,
        EmbeddedServers(Path(folder), only=("postgresql", "valkey")) as servers,
    ):
        migrate(servers.database_url)
        settings = Settings(
            database_url=servers.database_url,
            redis_url=servers.redis_url,
            aws_access_key_id="none",
            aws_secret_access_key="none",
            secret=SECRET,
            limits=DEVELOPMENT_LIMITS,
        )
        sys.stdout.write(json.dumps(asyncio.run(_measure(settings)), indent=2) + "\n")
    return 0


async def _measure(settings: Settings) -> dict[str, float]:
    async with open_process(settings) as process:
        send_us = await _cpu_us(lambda: _send_all(process), SENDERS * SENDS)
        in_hand_us = _in_hand_us(process)
    idle_us = await _spent_us(settings, [None] * 10_000)
    spent = {
        "in_hand_us": in_hand_us,
        "five_each_us": await _spent_us(settings, [f"a{n % 2000}" for n in range(10_000)])
        - idle_us,
        "new_each_us": await _spent_us(settings, [f"b{n}" for n in range(10_000)]) - idle_us,
    }
    shares = {name.replace("_us", "_share"): us / send_us for name, us in spent.items()}
    return {
        name: round(value, 4) for name, value in {"send_us": send_us, **spent, **shares}.items()
    }


async def _cpu_us(work: Callable[[], Awaitable[None]], count: int) -> float:
    """Of this process, for one of so many."""
    began = time.process_time()
    await work()
    return (time.process_time() - began) / count * 1e6


async def _send_all(process: Process) -> None:
    engine = Engine(
        make_schema(), limits=DEVELOPMENT_LIMITS, public_fields=PUBLIC_FIELDS, charge=charge
    )
    await asyncio.gather(*(_send_many(process, engine, n) for n in range(SENDERS)))


async def _send_many(process: Process, engine: Engine, place: int) -> None:
    context = _context(process, await _make_user(process, f"Sender {place}"))
    peer = await _make_user(process, f"Peer {place}")
    assert context.viewer is not None
    chat, _ = await open_chat(process.resources.database, context.viewer.user.id, peer.id)
    channel_id, operation = ids.channel_global_id(chat.id), engine.prepare(SEND, None)
    for n in range(SENDS):
        draft = {"channelId": channel_id, "clientMessageId": str(n), "text": "x" * 100}
        answer = await engine.execute(operation, {"input": draft}, context)
        assert b"SendMessagePayload" in answer, answer


async def _make_user(process: Process, name: str) -> User:
    async with process.resources.database.transaction() as connection:
        return await create_user(connection, ids.new_id(), name, now=datetime.now(UTC))


def _context(process: Process, user: User) -> Context:
    viewer = Viewer(user, ids.new_id(), datetime.now(UTC) + timedelta(hours=1))
    return Context(resources=process.resources, viewer=viewer, client_address="127.0.0.1")


def _in_hand_us(process: Process) -> float:
    """As a resolver takes it, by one who has a block in hand."""
    context, count = _context(process, User(ids.new_id(), "Sender", None, None)), 100_000
    began = time.process_time()
    for _ in range(count):
        context.spend(BUDGET)
    return (time.process_time() - began) / count * 1e6


async def _spent_us(settings: Settings, owners: Iterable[str | None]) -> float:
    """The refills included; nothing is taken for None."""
    assert settings.redis_url is not None
    buckets, valkey = Buckets(Limits()), open_valkey(settings.redis_url)
    refill = Refill(valkey, buckets)
    refill.start()
    # Connected, and its script loaded.
    buckets.take(BUDGET, "warm", 10)
    await asyncio.sleep(0.3)
    left, count = iter(owners), 0
    began = time.process_time()
    while turn := list(itertools.islice(left, TURN)):
        for owner in turn:
            if owner is not None:
                buckets.take(BUDGET, owner)
        count += len(turn)
        await asyncio.sleep(TURN_S)
    used = time.process_time() - began
    await refill.close()
    await valkey.aclose()
    return used / count * 1e6


if __name__ == "__main__":
    sys.exit(main())
