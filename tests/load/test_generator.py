"""The load generator against the real app: that it finds its way, and notices what is wrong."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from bench.contestants import PROFILES
from bench.generator.deliveries import Deliveries
from bench.generator.loops import Asked
from bench.generator.target import Failed, Target
from bench.generator.wire import WebSocket
from bench.generator.works import WORKS
from models.postgresql.database import Database
from models.seeding.seeding import seed_world
from models.seeding.worlds import WorldPlan
from models.tokens import Tokens
from tests.serving import Server

ASKED = Asked(secs=0.2, warm_s=0.05, conc=2, rate=40, settle_s=0.2)


@pytest_asyncio.fixture
async def target(
    server: Server, database: Database, tokens: Tokens, tmp_path: Path
) -> AsyncIterator[Target]:
    plan = WorldPlan(pairs=2, group_members=4, history=60, idle=2)
    async with database.connection() as connection:
        world = await seed_world(connection, tokens, plan, now=datetime.now(UTC))
    path = tmp_path / "world.json"
    path.write_bytes(msgspec.json.encode(world))
    target = Target.read(PROFILES / "parley.json", path, server.port)
    yield target
    target.close()


@pytest.mark.parametrize("work", ["w1", "w2", "w2max", "w3", "w3b", "w3rate", "w5", "w6"])
async def test_does_a_work(target: Target, work: str) -> None:
    result = await WORKS[work](target, ASKED)

    assert result["per_s"] > 0
    assert 0 < result["p50_ms"] <= result["p99_ms"]


async def test_sends_over_a_socket_too(target: Target) -> None:
    target.over = "ws"

    result = await WORKS["w1"](target, ASKED)

    assert result["per_s"] > 0


async def test_stores_what_it_counts(target: Target, database: Database) -> None:
    before = await database.fetchval("SELECT count(*) FROM messages")

    result = await WORKS["w2"](target, ASKED)

    sent = int(ASKED.rate * ASKED.warm_s) + int(ASKED.rate * ASKED.secs)
    assert await database.fetchval("SELECT count(*) FROM messages") - before == sent
    assert result["per_s"] == ASKED.rate


async def test_takes_a_refusal_for_a_failure(target: Target) -> None:
    pair, stranger = target.world.pairs[0], target.world.pairs[1].a
    target.world = msgspec.structs.replace(
        target.world, pairs=[msgspec.structs.replace(pair, a=stranger)]
    )

    with pytest.raises(Failed, match="NOT_FOUND"):
        await WORKS["w1"](target, ASKED)


@pytest.mark.parametrize(("came", "complaint"), [(1, "came"), (3, "3 times")])
async def test_notices_what_is_lost_or_doubled(target: Target, came: int, complaint: str) -> None:
    deliveries = Deliveries(2)
    socket = await target.open_socket(target.world.pairs[0].a, lambda *_: None)
    for _ in range(came):
        deliveries.take(socket, _frame(deliveries, 7))

    with pytest.raises(Failed, match=complaint):
        await deliveries.wait_for(2, within_s=0.01)


async def test_does_not_count_what_was_sent_before_it_began(target: Target) -> None:
    old = _frame(Deliveries(1), 7)
    deliveries = Deliveries(1)
    socket: WebSocket = await target.open_socket(target.world.pairs[0].a, lambda *_: None)

    deliveries.take(socket, old)

    assert deliveries.count == 0


def _frame(deliveries: Deliveries, number: int) -> bytes:
    return b'{"text":"~%d.%d~"}' % (deliveries.began_ns + 1, number)
