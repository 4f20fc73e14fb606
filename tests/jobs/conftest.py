"""The storage and the files of the tests of media, for jobs that need some."""

from collections.abc import AsyncIterator

import pytest_asyncio

from models.postgresql.database import Database
from tests.media.conftest import files, http, renderer, s3, storage

__all__ = ["files", "http", "renderer", "s3", "storage"]


@pytest_asyncio.fixture
async def queue(database: Database) -> AsyncIterator[Database]:
    """A database whose queue is empty."""
    await database.execute("DELETE FROM jobs")
    yield database
    await database.execute("DELETE FROM jobs")
