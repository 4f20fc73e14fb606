import dataclasses
from collections.abc import AsyncIterator

import pytest_asyncio
from redis.asyncio import Redis

from models.background import Background, Loops
from models.limits.limits import Limits
from models.postgresql.database import Database
from parley.embedded import EmbeddedServers
from tests.loops.failing import Failing, Ground


@pytest_asyncio.fixture
async def ground(embedded: EmbeddedServers, database: Database) -> AsyncIterator[Ground]:
    """With a Valkey of its own, where no other node is."""
    url = embedded.redis_url.rstrip("0") + "5"
    client = Redis.from_url(url)
    await client.flushdb()
    await client.aclose()
    loops = Loops()
    limits = dataclasses.replace(Limits(), presence_lease_s=0.2, presence_grace_s=0.1)
    background = Background(loops)
    yield Ground(database, url, loops, limits, Failing(), background)
    await background.close()
