"""What tests share: one embedded PostgreSQL for the run, migrated once, with empty tables for each
test.
"""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from models.database import Database
from models.limits import Limits
from models.tables import metadata
from models.tokens import Tokens
from parley.embedded import EmbeddedServers
from parley.migrations import migrate

SECRET = "a secret of the tests, of no use anywhere else"
EMPTY_ALL = ";".join(f"DELETE FROM {table.name}" for table in metadata.sorted_tables)


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("servers")
    with EmbeddedServers(folder, only=("postgresql",), durable=False) as servers:
        migrate(servers.database_url)
        yield servers.database_url


@pytest_asyncio.fixture(scope="session")
async def pools(database_url: str) -> AsyncIterator[tuple[Database, Database]]:
    one, two = await Database.open(database_url), await Database.open(database_url)
    yield one, two
    await one.close()
    await two.close()


@pytest_asyncio.fixture
async def database(pools: tuple[Database, Database]) -> Database:
    """One process's database, with empty tables."""
    await pools[0].execute(EMPTY_ALL)
    return pools[0]


@pytest.fixture
def other_database(database: Database, pools: tuple[Database, Database]) -> Database:
    """The same database as another process has it."""
    return pools[1]


@pytest.fixture
def limits() -> Limits:
    return Limits()


@pytest.fixture
def tokens(limits: Limits) -> Tokens:
    return Tokens(SECRET, limits)
