"""Two nodes on which presence ends soon, and the clients that tests of it need."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from models.postgresql.database import Database
from parley.embedded import EmbeddedServers
from parley.settings import Settings
from subscriptions.nodes.opening import open_valkey
from tests.live.presence.watching import QUICK, Clock, is_settled
from tests.serving import Server, serve
from tests.waiting import eventually


@pytest_asyncio.fixture(scope="session")
async def quick_nodes(settings: Settings) -> AsyncIterator[tuple[Server, Server]]:
    quick = replace(settings, limits=replace(settings.limits, **QUICK))
    async with serve(quick) as one, serve(quick) as other:
        yield one, other


@pytest_asyncio.fixture
async def valkey(embedded: EmbeddedServers) -> AsyncIterator[Redis]:
    client = Redis.from_url(embedded.redis_url)
    yield client
    await client.aclose()


@pytest_asyncio.fixture
async def here(
    server: Server, quick_nodes: tuple[Server, Server], embedded: EmbeddedServers
) -> Server:
    """A node that believes an absence."""
    valkey = open_valkey(embedded.redis_url)
    await eventually(lambda: is_settled(valkey))
    await valkey.aclose()
    return quick_nodes[0]


@pytest.fixture
def there(here: Server, quick_nodes: tuple[Server, Server]) -> Server:
    return quick_nodes[1]


@pytest.fixture
def clock(database: Database) -> Clock:
    """PostgreSQL's, to whose milliseconds answers are rounded down."""

    async def now() -> datetime:
        found: datetime = await database.fetchval("SELECT date_trunc('milliseconds', now())")
        return found

    return now
