"""Budgets: exact sums over processes, sliding windows, all or none."""

import asyncio
from datetime import datetime

import pytest

from models.limits.budgets import Charge, address_key, require_left, spend
from models.limits.limits import Budget
from models.postgresql.database import Database
from models.refusals import RefusalCode, Refused
from tests.database.users.signing_in import after

TEN = Budget(amount=10, window_s=3600)


async def passes(database: Database, *charges: Charge, now: datetime) -> bool:
    try:
        async with database.transaction() as connection:
            await spend(connection, charges, now=now)
    except Refused as refused:
        seen = refused
    else:
        return True
    assert seen.code is RefusalCode.RATE_LIMITED
    assert seen.retry_after_ms is not None
    assert seen.retry_after_ms > 0
    return False


async def test_lets_exactly_its_amount_through_two_processes_at_once(
    database: Database, other_database: Database
) -> None:
    charge = Charge("k", TEN, "Wait.")

    passed = await asyncio.gather(
        *(passes((database, other_database)[i % 2], charge, now=after(i)) for i in range(40))
    )

    assert sum(passed) == 10


async def test_counts_each_key_by_itself(database: Database) -> None:
    assert await passes(database, Charge("one", TEN, "Wait.", 10), now=after(0))
    assert not await passes(database, Charge("one", TEN, "Wait."), now=after(0))
    assert await passes(database, Charge("other", TEN, "Wait."), now=after(0))


async def test_refuses_what_is_more_than_its_amount_and_spends_nothing(database: Database) -> None:
    assert not await passes(database, Charge("k", TEN, "Wait.", 11), now=after(0))
    assert await passes(database, Charge("k", TEN, "Wait.", 4), now=after(0))
    assert not await passes(database, Charge("k", TEN, "Wait.", 7), now=after(0))
    assert await passes(database, Charge("k", TEN, "Wait.", 6), now=after(0))


async def test_of_nothing_lets_nothing_through(database: Database) -> None:
    assert not await passes(
        database, Charge("k", Budget(amount=0, window_s=60), "Wait."), now=after(0)
    )


async def test_slides_from_one_window_to_the_next(database: Database) -> None:
    assert await passes(database, Charge("k", TEN, "Wait.", 10), now=after(1800))

    # Half of the window before still counts: 5.
    assert not await passes(database, Charge("k", TEN, "Wait.", 6), now=after(5400))
    assert await passes(database, Charge("k", TEN, "Wait.", 5), now=after(5400))
    assert not await passes(database, Charge("k", TEN, "Wait."), now=after(5400))


async def test_forgets_what_is_two_windows_old(database: Database) -> None:
    assert await passes(database, Charge("k", TEN, "Wait.", 10), now=after(0))
    assert await passes(database, Charge("k", TEN, "Wait.", 10), now=after(7200))


async def test_counts_for_a_process_whose_clock_is_behind(database: Database) -> None:
    assert await passes(database, Charge("k", TEN, "Wait.", 10), now=after(3601))
    assert not await passes(database, Charge("k", TEN, "Wait."), now=after(3599))


@pytest.mark.parametrize("spent_at", [0, 600, 3599])
async def test_says_after_how_long_the_same_charge_passes(
    database: Database, spent_at: float
) -> None:
    charge = Charge("k", TEN, "Wait.", 7)
    assert await passes(database, charge, now=after(spent_at))
    with pytest.raises(Refused) as caught:
        async with database.transaction() as connection:
            await spend(connection, [charge], now=after(spent_at))
    refused = caught.value
    assert refused.retry_after_ms is not None
    wait_s = refused.retry_after_ms / 1000

    assert not await passes(database, charge, now=after(spent_at + wait_s - 1))
    assert await passes(database, charge, now=after(spent_at + wait_s))


async def test_are_spent_all_or_none(database: Database) -> None:
    small = Budget(amount=1, window_s=60)
    assert await passes(database, Charge("b", small, "Wait."), now=after(0))

    assert not await passes(
        database, Charge("a", TEN, "Wait."), Charge("b", small, "Wait."), now=after(0)
    )

    assert await database.fetchval("SELECT count(*) FROM budgets WHERE key = 'a'") == 0


async def test_can_be_looked_at_without_spending(database: Database) -> None:
    charge = Charge("k", Budget(amount=1, window_s=60), "Wait.")
    async with database.connection() as connection:
        await require_left(connection, charge, now=after(0))
        await require_left(connection, charge, now=after(0))
        await spend(connection, [charge], now=after(0))
        with pytest.raises(Refused, match=r"Wait\."):
            await require_left(connection, charge, now=after(0))


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("unix socket", "unknown"),
    ],
)
def test_know_an_address_by_its_subscriber(address: str, key: str) -> None:
    assert address_key(address) == key
