"""What tests of the API share."""

import pytest_asyncio

from models.database import Database
from tests.make import Person
from tests.media import make_media


@pytest_asyncio.fixture
async def media_id(database: Database, alice: Person) -> str:
    """A picture of Alice's that is ready."""
    return await make_media(database, alice)
