"""A commit counts once the standby has it."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from models.database import connect
from tests.failover.pair import Pair
from tests.waiting import eventually

CANCEL = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


async def test_a_commit_that_is_not_waited_for_to_the_end_is_not_believed(tmp_path: Path) -> None:
    async with Pair(tmp_path) as pair:
        await pair.primary.ask("CREATE TABLE kept (text text)")
        pair.stop_standby()
        connection = await connect(pair.url)
        writing = asyncio.create_task(connection.execute("INSERT INTO kept VALUES ('unsafe')"))

        await eventually(lambda: pair.primary.ask(CANCEL))

        with pytest.raises(asyncpg.PostgresConnectionError):
            await writing
        assert connection.is_closed()
        # It is there, all the same: whoever repeats it must not take that for an answer.
        assert await pair.primary.ask("SELECT count(*) FROM kept") == 1
