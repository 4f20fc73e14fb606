"""PostgreSQL goes away: what asks is refused, and the log is not filled with it."""

import logging
from urllib.parse import urlsplit

import pytest

from models.postgresql.database import Database
from models.refusals import RefusalCode, Refused
from tests.faults.proxy import proxy
from tests.waiting import eventually


async def test_a_pool_that_lost_its_connections_waits_in_silence_and_goes_on(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = urlsplit(database_url)
    assert url.port is not None
    async with proxy(url.port) as between:
        credentials = url.netloc.rpartition("@")[0]
        at_proxy = url._replace(netloc=f"{credentials}@127.0.0.1:{between.port}").geturl()
        database = await Database.open(at_proxy, connections=2)
        assert await database.fetchval("SELECT 1") == 1

        between.open = False
        for link in tuple(between.links):
            link.cut()
        for _ in range(3):
            with pytest.raises(Refused) as refused:
                await database.fetchval("SELECT 1")
            assert refused.value.code is RefusalCode.UNAVAILABLE
        between.open = True

        assert await eventually(lambda: ask(database)) == 1
        await database.close()
    assert [record.name for record in caplog.records if record.levelno >= logging.INFO] == []


async def ask(database: Database) -> int | None:
    try:
        found: int = await database.fetchval("SELECT 1")
    except Refused:
        return None
    return found


async def test_a_postgresql_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(OSError, match="Connect call failed|refused"):
        await Database.open("postgresql://parley@127.0.0.1:9/parley")
