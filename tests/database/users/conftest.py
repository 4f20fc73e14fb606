"""Fixtures of the tests of sign-in and sessions."""

from collections.abc import AsyncIterator

import pytest_asyncio

from models.devices.sessions import Sessions
from models.postgresql.database import Database
from models.tokens import Tokens


@pytest_asyncio.fixture
async def sessions(database: Database, tokens: Tokens) -> AsyncIterator[Sessions]:
    opened = Sessions(database, tokens)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def other_sessions(other_database: Database, tokens: Tokens) -> AsyncIterator[Sessions]:
    """Those of another process."""
    opened = Sessions(other_database, tokens)
    yield opened
    await opened.close()
