"""A duty is one process's at a time, and goes over to another when its holder is gone."""

import asyncio

from models import ids
from models.duties import Duty
from models.postgresql.database import Database

NAME = "something"
# Longer than any test takes.
LONG_S = 600


def duty(database: Database, *, lease_s: float = LONG_S) -> Duty:
    return Duty(database, NAME, ids.new_id(), lease_s=lease_s)


async def test_is_taken_by_one_of_many_that_ask_at_once(
    database: Database, other_database: Database
) -> None:
    duties = [duty(each) for each in (database, other_database) * 5]

    pauses = await asyncio.gather(*(each.take() for each in duties))

    assert [each.is_held for each in duties] == [pause == 0 for pause in pauses]
    assert pauses.count(0) == 1


async def test_stays_with_its_holder_while_the_lease_is_renewed(database: Database) -> None:
    one, other = duty(database), duty(database)

    for _ in range(3):
        assert await one.take() == 0
        assert LONG_S / 2 < await other.take() <= LONG_S + 1
    assert (one.is_held, other.is_held) == (True, False)


async def test_goes_over_when_the_lease_has_ended(database: Database) -> None:
    gone, next_ = duty(database, lease_s=0.2), duty(database)
    assert await gone.take() == 0

    await asyncio.wait_for(next_.wait(), 60)

    assert (next_.is_held, gone.is_held) == (True, False)
    # Whoever was stopped for so long learns that it is another's.
    assert await gone.take() > 0


async def test_is_let_go_at_once_by_who_stops(database: Database) -> None:
    one, other = duty(database), duty(database)
    await one.take()

    await one.let_go()

    assert not one.is_held
    assert await other.take() == 0


async def test_of_another_cannot_be_let_go(database: Database) -> None:
    one, other = duty(database), duty(database)
    await one.take()
    await other.take()

    await other.let_go()

    assert await other.take() > 0


async def test_of_one_name_says_nothing_of_another(database: Database) -> None:
    await duty(database).take()

    assert await Duty(database, "something else", ids.new_id()).take() == 0
