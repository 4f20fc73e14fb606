"""Processes whose secrets differ say so."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from models.limits.limits import Limits
from models.tokens import Tokens
from parley.embedded import EmbeddedServers
from subscriptions.secret_watch import KEY, SecretWatch

FIRST, SECOND, THIRD = (f"the {word} secret of the tests" for word in ("first", "second", "third"))


@pytest_asyncio.fixture
async def valkey(embedded: EmbeddedServers) -> AsyncIterator[Redis]:
    """A database of its own."""
    client = Redis.from_url(embedded.redis_url.removesuffix("0") + "5")
    await client.flushdb()
    yield client
    await client.aclose()


def watch(valkey: Redis, secret: str, previous: str | None = None) -> SecretWatch:
    return SecretWatch(valkey, Tokens(secret, Limits(), previous_secret=previous))


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "parley.secret"]


async def test_another_secret_is_told_once(valkey: Redis, caplog: pytest.LogCaptureFixture) -> None:
    one, other = watch(valkey, FIRST), watch(valkey, SECOND)
    await one.look()
    assert told(caplog) == []

    await other.look()
    for _ in range(3):
        await one.look()

    assert len(told(caplog)) == 2
    assert "PARLEY_SECRET" in told(caplog)[0]
    assert FIRST not in caplog.text


async def test_a_change_of_the_secret_step_by_step_is_no_difference(
    valkey: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    steps = [
        watch(valkey, FIRST),
        watch(valkey, FIRST, SECOND),
        watch(valkey, SECOND, FIRST),
        watch(valkey, SECOND),
    ]
    for before, after in zip(steps, steps[1:], strict=False):
        await valkey.delete(KEY)
        for process in (before, after, before, after):
            await process.look()

    assert told(caplog) == []


async def test_what_has_ended_counts_no_more(
    valkey: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    await watch(valkey, THIRD).look()
    (shown,) = Tokens(THIRD, Limits()).fingerprints
    await valkey.zincrby(KEY, -60, shown)

    await watch(valkey, FIRST).look()

    assert told(caplog) == []
