"""What tests of the API share."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from models.postgresql.database import Database
from parley.settings import Settings
from tests.api.budgeting import BUDGETS
from tests.make import Person
from tests.push.fakes.every_provider import every_provider
from tests.serving import Server, serve
from tests.uploading import make_media


@pytest_asyncio.fixture
async def media_id(database: Database, alice: Person) -> str:
    """A picture of Alice's that is ready."""
    return await make_media(database, alice)


@pytest_asyncio.fixture(scope="session")
async def pushing_node(settings: Settings) -> AsyncIterator[Server]:
    async with serve(replace(settings, providers=every_provider())) as node:
        yield node


@pytest.fixture
def bob_pushed(pushing_node: Server, bob: Person) -> Person:
    """Bob at a node where every kind of push is configured."""
    return bob.at(pushing_node)


@pytest_asyncio.fixture(scope="module")
async def production(settings: Settings) -> AsyncIterator[tuple[Server, Server]]:
    """As they ship, but for the pause after a refusal, for these tests try on and on; and that
    tokens come back more slowly.
    """
    limits = replace(settings.limits, **BUDGETS, refusal_pause_s=0)
    strict = replace(settings, limits=limits, trusted_proxies=("127.0.0.1",))
    async with serve(strict) as one, serve(strict) as other:
        yield one, other


@pytest_asyncio.fixture
async def everywhere(alice: Person, production: tuple[Server, Server]) -> list[Person]:
    """Alice at both nodes."""
    return [alice.at(node) for node in production]
