"""Connections are lent to one at a time, in the order of asking, and never in the middle of
something.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from models.postgresql.database import Database
from models.postgresql.lending import Lender
from models.refusals import Refused
from tests.waiting import eventually, steps

PID = "SELECT pg_backend_pid()"
# Longer than any test takes.
LONG = "SELECT pg_sleep(600)"
# From a statement's beginning to its cancellation: before, in and after all that it waits for.
STEPS = 16


@asynccontextmanager
async def opened(url: str, connections: int, *, wait_s: float = 60) -> AsyncIterator[Database]:
    database = await Database.open(url, connections=connections, connection_wait_s=wait_s)
    try:
        yield database
    finally:
        await database.close()


async def test_are_lent_again_to_the_next_one(database_url: str) -> None:
    async with opened(database_url, 3) as pool:
        pids = {await pool.fetchval(PID) for _ in range(20)}

    assert len(pids) == 1


async def test_are_lent_to_one_at_a_time_and_are_never_more_than_allowed(database_url: str) -> None:
    in_use: set[int] = set()
    seen: set[int] = set()

    async def use(pool: Database, number: int) -> None:
        async with pool.connection() as connection:
            pid = await connection.fetchval(PID)
            assert pid not in in_use
            in_use.add(pid)
            seen.add(pid)
            assert await connection.fetchval("SELECT $1::int", number) == number
            in_use.remove(pid)

    async with opened(database_url, 3) as pool:
        await asyncio.gather(*(use(pool, number) for number in range(60)))

    assert len(seen) <= 3


async def test_go_to_those_who_wait_in_the_order_in_which_they_came(database_url: str) -> None:
    order: list[int] = []

    async def use(pool: Database, number: int) -> None:
        async with pool.connection():
            order.append(number)

    async with opened(database_url, 1) as pool:
        async with pool.connection():
            waiting = []
            for number in range(5):
                waiting.append(asyncio.create_task(use(pool, number)))
                await steps(2)
        # The connection is the first one's already, though it has not run since.
        waiting.append(asyncio.create_task(use(pool, 5)))
        await asyncio.gather(*waiting)

    assert order == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("connections", [1, 2])
async def test_come_back_clean_from_a_statement_that_was_cancelled(
    database_url: str, connections: int
) -> None:
    async with opened(database_url, connections) as pool:
        for count in range(STEPS):
            cancelled = [asyncio.create_task(pool.fetchval(LONG)) for _ in range(2)]
            await steps(count)
            for each in cancelled:
                each.cancel()

            answers = await asyncio.gather(*(pool.fetchval("SELECT $1::int", n) for n in range(4)))

            assert answers == [0, 1, 2, 3]
            outcomes = await asyncio.gather(*cancelled, return_exceptions=True)
            assert [type(each) for each in outcomes] == [asyncio.CancelledError] * 2


async def test_are_not_lent_before_the_statement_that_was_cancelled_has_ended(
    database: Database, database_url: str
) -> None:
    async with opened(database_url, 2) as pool:
        pid = await pool.fetchval(PID)
        cancelled = asyncio.create_task(pool.fetchval(LONG))
        # Asleep it holds no lock of the server's that others need.
        await eventually(
            lambda: database.fetchval(
                "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $1", pid
            )
        )
        os.kill(pid, signal.SIGSTOP)
        try:
            cancelled.cancel()
            await steps(3)

            assert await pool.fetchval(PID) != pid
        finally:
            os.kill(pid, signal.SIGCONT)


async def test_that_could_not_be_opened_keep_nobody_waiting() -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    async with asyncpg.create_pool(nowhere, min_size=0, max_size=1) as pool:
        lender = Lender(pool, wait_s=60)
        outcomes = await asyncio.gather(*(lender.wait() for _ in range(5)), return_exceptions=True)

        assert [type(each) for each in outcomes] == [ConnectionRefusedError] * 5
        with pytest.raises(ConnectionRefusedError):
            await lender.wait()


async def test_pass_over_those_who_have_gone_meanwhile(database_url: str) -> None:
    async with opened(database_url, 1) as pool:
        for count in range(6):
            async with pool.connection():
                gone = [asyncio.create_task(pool.fetchval(PID)) for _ in range(3)]
                stays = asyncio.create_task(pool.fetchval("SELECT 'here'"))
                await steps(3)
                gone[0].cancel()
            # The next one has the connection now, or will have it soon.
            await steps(count)
            for each in gone:
                each.cancel()

            assert await stays == "here"


async def fail_after(pool: Database, statement: str) -> None:
    async with pool.transaction() as connection:
        await connection.execute(statement)
        await connection.execute("SELECT 1 / 0")


async def test_roll_back_what_failed_before_they_are_lent_again(database_url: str) -> None:
    async with opened(database_url, 1) as pool:
        with pytest.raises(asyncpg.DivisionByZeroError):
            await fail_after(pool, "CREATE TABLE left_behind ()")
        with pytest.raises(asyncpg.UndefinedTableError):
            await pool.execute("TABLE left_behind")

        async with pool.connection() as connection:
            assert not connection.is_in_transaction()


async def test_are_in_no_transaction_that_somebody_forgot(database_url: str) -> None:
    async with opened(database_url, 1) as pool:
        async with pool.connection() as connection:
            await connection.execute("BEGIN")

        async with pool.connection() as connection:
            assert not connection.is_in_transaction()


async def test_that_the_server_ended_are_not_lent(database_url: str, database: Database) -> None:
    async with opened(database_url, 2) as pool:
        pid = await pool.fetchval(PID)
        await database.execute("SELECT pg_terminate_backend($1)", pid)
        await eventually(lambda: pool.pool.get_idle_size() == 0)

        assert await pool.fetchval(PID) != pid


async def test_are_refused_when_none_comes_in_time(database_url: str) -> None:
    async with opened(database_url, 1, wait_s=0.01) as pool:
        async with pool.connection():
            with pytest.raises(Refused):
                await pool.fetchval(PID)

        assert await pool.fetchval(PID)


async def test_go_back_to_the_pool_when_they_are_idle(database_url: str) -> None:
    async with asyncpg.create_pool(database_url, min_size=0, max_size=1) as pool:
        lender = Lender(pool, idle_s=0.01)
        lender.give(await lender.wait())
        assert (pool.get_idle_size(), lender.get_idle_size()) == (0, 1)

        await eventually(lambda: pool.get_idle_size() == 1)
        assert lender.get_idle_size() == 1
        assert lender.take_free() is None
        lender.give(await lender.wait())
        await lender.close()


async def test_are_closed_when_all_are_back_and_who_waits_is_told(database_url: str) -> None:
    pool = await Database.open(database_url, connections=1, connection_wait_s=60)
    async with pool.connection() as connection:
        waiting = asyncio.create_task(pool.fetchval(PID))
        await steps(2)
        closing = asyncio.create_task(pool.pool.close())
        await steps(2)
        assert await connection.fetchval("SELECT 1") == 1

    await closing
    with pytest.raises(Refused):
        await waiting
    assert pool.pool.get_size() == 0
