"""Fixtures of these tests."""

from collections.abc import AsyncIterator

import pytest_asyncio

from models.log.committer import Committer
from models.log.entries import Batch
from models.postgresql.database import Database
from tests.database.groups.group_races import (
    Process,
    Processes,
)


@pytest_asyncio.fixture
async def processes(
    database: Database, other_database: Database, database_url: str
) -> AsyncIterator[Processes]:
    made = []
    for each in (database, other_database):
        batches: list[Batch] = []
        made.append(
            Process(
                each,
                Committer(
                    database_url,
                    batches.append,
                    is_distributed=each.is_distributed,
                    deadline_s=60,
                ),
                batches,
            )
        )
        made[-1].committer.start()
    yield Processes(made[0], made[1])
    for process in made:
        await process.committer.close()
