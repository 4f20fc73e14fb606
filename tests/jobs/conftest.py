"""The storage and the files of the tests of media, for jobs that need some."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from models.postgresql.database import Database
from models.tokens import Tokens
from parley.migrations import migrate
from parley.settings import Settings
from tests.emptying import empty
from tests.jobs.apart import Apart, apart, make_database
from tests.make import Person, make_person
from tests.media.conftest import files, http, renderer, s3, storage
from tests.serving import Server, serve

__all__ = ["files", "http", "renderer", "s3", "storage"]


@pytest_asyncio.fixture
async def queue(database: Database) -> AsyncIterator[Database]:
    """A database whose queue is empty."""
    await database.execute("DELETE FROM jobs")
    yield database
    await database.execute("DELETE FROM jobs")


@pytest_asyncio.fixture(scope="session")
async def apart_queue(database_url: str) -> AsyncIterator[Database]:
    """A database of its own for jobs, migrated."""
    url = await make_database(database_url, "parley_jobs_apart")
    await asyncio.to_thread(migrate, url)
    queue = await Database.open(url, statement_timeout_s=60, connection_wait_s=60)
    yield queue
    await queue.close()


@pytest_asyncio.fixture(scope="session")
async def apart_node(
    pools: tuple[Database, Database], apart_queue: Database, settings: Settings
) -> AsyncIterator[tuple[Apart, Server]]:
    """A node whose jobs are in that database."""
    async with apart(pools[0], apart_queue, settings) as ground, serve(ground.settings) as node:
        yield ground, node


@pytest_asyncio.fixture
async def ground(database: Database, apart_node: tuple[Apart, Server]) -> AsyncIterator[Apart]:
    """Two databases, both empty, and the way between them open."""
    ground, _ = apart_node
    await empty(ground.queue, None)
    yield ground
    ground.come_back()


@pytest_asyncio.fixture
async def pair(
    ground: Apart, apart_node: tuple[Apart, Server], tokens: Tokens
) -> tuple[Person, Person]:
    """Two people at that node."""
    _, node = apart_node
    return (
        await make_person(node, ground.database, tokens, "Alice"),
        await make_person(node, ground.database, tokens, "Bob"),
    )
