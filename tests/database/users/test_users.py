"""Users: accounts, profiles, and who sees whose number."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from models import ids
from models.limits.limits import Budget, Limits
from models.postgresql.database import Database
from models.refusals import RefusalCode, Refused
from models.tokens import Tokens
from models.users.phone_numbers import claim_number, discover_contacts, list_known_numbers
from models.users.users import (
    NAMELESS,
    ProfileChanges,
    User,
    find_user,
    list_users,
    update_profile,
)
from tests.database.users.signing_in import ALICE, BOB, NOW, after, ask, enter, signed_in

CAROL = "+14155550103"


async def discover(
    database: Database,
    viewer_id: str,
    numbers: Sequence[str],
    limits: Limits,
    address: str = "192.0.2.1",
) -> list[User]:
    return await discover_contacts(
        database, viewer_id, numbers, address=address, limits=limits, now=NOW
    )


async def test_is_made_by_the_first_sign_in_and_found_by_the_next(
    database: Database, tokens: Tokens
) -> None:
    requested = await ask(database, tokens)
    first = await enter(database, tokens, requested, name="  Alice ")
    requested = await ask(database, tokens, now=after(60))
    second = await enter(database, tokens, requested, name="Another", now=after(60))

    assert (first.is_new_user, second.is_new_user) == (True, False)
    assert first.user == second.user == User(first.user.id, "Alice")
    assert first.device.id != second.device.id


async def test_without_a_name_is_given_one(database: Database, tokens: Tokens) -> None:
    assert (await signed_in(database, tokens)).user.name == NAMELESS


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\x00", "\ud800", "\u202e"])
async def test_with_a_bad_name_is_refused_before_the_code_is_looked_at(
    database: Database, tokens: Tokens, name: str
) -> None:
    requested = await ask(database, tokens)
    with pytest.raises(Refused) as caught:
        await enter(database, tokens, requested, name=name)
    assert (caught.value.code, caught.value.field) == (RefusalCode.INVALID_INPUT, "name")
    assert await database.fetchval("SELECT tries_left FROM sign_in_codes") == 5


async def test_has_the_number_that_two_claim_at_once_alone(
    database: Database, other_database: Database
) -> None:
    async def claim(process: Database, user_id: str) -> str:
        async with process.transaction() as connection:
            return await claim_number(connection, ALICE, user_id)

    owners = await asyncio.gather(
        *(claim((database, other_database)[i % 2], ids.new_id()) for i in range(10))
    )

    assert len(Counter(owners)) == 1
    assert await database.fetchval("SELECT count(*) FROM user_phone_numbers") == 1


async def test_is_found_by_id(database: Database, tokens: Tokens) -> None:
    alice = (await signed_in(database, tokens, ALICE)).user
    bob = (await signed_in(database, tokens, BOB)).user
    nobody = ids.new_id()

    assert await find_user(database, alice.id) == alice
    assert await find_user(database, nobody) is None
    assert await list_users(database, [nobody, bob.id, alice.id]) == {alice.id: alice, bob.id: bob}


# ---------------------------------------------------------------- profile


async def test_changes_what_is_given_and_keeps_the_rest(
    database: Database, tokens: Tokens, limits: Limits
) -> None:
    user_id = (await signed_in(database, tokens)).user.id

    async def change(changes: ProfileChanges) -> tuple[str, str | None]:
        user = await update_profile(database, user_id, changes, limits=limits)
        assert await find_user(database, user_id) == user
        return user.name, user.about

    assert await change(ProfileChanges(name=" Alice ", about="one\ntwo \u202e")) == (
        "Alice",
        "one\ntwo \u202e",
    )
    assert await change(ProfileChanges(about="x" * 500)) == ("Alice", "x" * 500)
    assert await change(ProfileChanges(name="Al")) == ("Al", "x" * 500)
    assert await change(ProfileChanges()) == ("Al", "x" * 500)
    assert await change(ProfileChanges(about=None)) == ("Al", None)
    assert await change(ProfileChanges(about="again")) == ("Al", "again")
    assert await change(ProfileChanges(about="  ")) == ("Al", None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        (ProfileChanges(name=None), "name"),
        (ProfileChanges(name=""), "name"),
        (ProfileChanges(name="x" * 101, about="kept back"), "name"),
        (ProfileChanges(name="a\nb"), "name"),
        (ProfileChanges(about="x" * 501), "about"),
        (ProfileChanges(name="Changed", about="\x00"), "about"),
        (ProfileChanges(about="\ud800"), "about"),
    ],
)
async def test_does_not_change_when_something_given_is_bad(
    database: Database, tokens: Tokens, limits: Limits, changes: ProfileChanges, field: str
) -> None:
    user = (await signed_in(database, tokens)).user

    with pytest.raises(Refused) as caught:
        await update_profile(database, user.id, changes, limits=limits)

    assert (caught.value.code, caught.value.field) == (RefusalCode.INVALID_INPUT, field)
    assert await find_user(database, user.id) == user


# ---------------------------------------------------------------- numbers


async def test_are_found_by_number_in_the_order_asked_each_once(
    database: Database, tokens: Tokens, limits: Limits
) -> None:
    alice = (await signed_in(database, tokens, ALICE)).user
    bob = (await signed_in(database, tokens, BOB)).user
    carol = (await signed_in(database, tokens, CAROL)).user

    async def asked(*numbers: str) -> list[User]:
        return await discover(database, alice.id, numbers, limits)

    assert await asked(CAROL, "+14155559999", BOB, ALICE, CAROL) == [carol, bob, alice]
    assert await asked(BOB, CAROL) == [bob, carol]
    assert await asked("+14155559999") == []
    assert await asked() == []


async def test_numbers_are_seen_by_their_owner_and_by_who_knew_them(
    database: Database, tokens: Tokens, limits: Limits
) -> None:
    alice = (await signed_in(database, tokens, ALICE)).user
    bob = (await signed_in(database, tokens, BOB)).user
    carol = (await signed_in(database, tokens, CAROL)).user
    everybody = [alice.id, bob.id, carol.id, ids.new_id()]
    assert await list_known_numbers(database, alice.id, everybody) == {alice.id: ALICE}

    await discover(database, alice.id, [BOB, ALICE], limits)

    assert await list_known_numbers(database, alice.id, everybody) == {alice.id: ALICE, bob.id: BOB}
    assert await list_known_numbers(database, alice.id, [carol.id]) == {}
    # Bob did not ask: that Alice knows his number gives him none.
    assert await list_known_numbers(database, bob.id, everybody) == {bob.id: BOB}
    assert await database.fetchval("SELECT count(*) FROM contacts") == 1


async def test_hundred_and_one_numbers_are_refused_and_cost_nothing(
    database: Database, tokens: Tokens, limits: Limits
) -> None:
    viewer = ids.new_id()
    numbers = [f"+1415555{i:04}" for i in range(101)]

    with pytest.raises(Refused) as caught:
        await discover(database, viewer, numbers, limits)

    assert (caught.value.code, caught.value.field) == (RefusalCode.INVALID_INPUT, "phoneNumbers")
    assert await database.fetchval("SELECT count(*) FROM budgets") == 0
    assert await discover(database, viewer, numbers[:100], limits) == []


async def test_numbers_asked_for_are_budgeted_by_viewer(
    database: Database, tokens: Tokens, limits: Limits
) -> None:
    few = replace(limits, contact_numbers_per_user=Budget(amount=5, window_s=3600))
    bob = (await signed_in(database, tokens, BOB)).user
    alice_id, carol_id = ids.new_id(), ids.new_id()
    unknown = [f"+1415555{i:04}" for i in range(4)]
    await discover(database, alice_id, [*unknown, *unknown], few)

    with pytest.raises(Refused) as caught:
        await discover(database, alice_id, [BOB, CAROL], few)

    assert caught.value.code is RefusalCode.RATE_LIMITED
    assert caught.value.retry_after_ms
    assert await list_known_numbers(database, alice_id, [bob.id]) == {}
    assert await discover(database, carol_id, [BOB], few) == [bob]
    assert await discover(database, alice_id, [BOB], few) == [bob]


async def test_numbers_asked_for_are_budgeted_by_address_whoever_asks(
    database: Database, limits: Limits
) -> None:
    few = replace(limits, contact_numbers_per_address=Budget(amount=150, window_s=3600))
    numbers = [f"+1415555{i:04}" for i in range(100)]
    await discover(database, ids.new_id(), numbers, few, "2001:db8:1:2::1")

    with pytest.raises(Refused) as caught:
        await discover(database, ids.new_id(), numbers, few, "2001:db8:1:2::77")

    assert caught.value.code is RefusalCode.RATE_LIMITED
    await discover(database, ids.new_id(), numbers[:50], few, "2001:db8:1:2::77")
    await discover(database, ids.new_id(), numbers, few, "2001:db8:1:3::1")


async def test_numbers_asked_for_are_budgeted_overall_and_a_refusal_spends_nothing(
    database: Database, limits: Limits
) -> None:
    few = replace(limits, contact_numbers_overall=Budget(amount=150, window_s=3600))
    numbers = [f"+1415555{i:04}" for i in range(100)]
    await discover(database, ids.new_id(), numbers, few, "192.0.2.1")
    spent = await database.fetch("SELECT key, spent FROM budgets ORDER BY key")

    with pytest.raises(Refused) as caught:
        await discover(database, ids.new_id(), numbers, few, "192.0.2.2")

    assert caught.value.code is RefusalCode.RATE_LIMITED
    assert await database.fetch("SELECT key, spent FROM budgets ORDER BY key") == spent
    await discover(database, ids.new_id(), numbers[:50], few, "192.0.2.2")
