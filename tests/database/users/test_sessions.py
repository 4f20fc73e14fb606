"""Sessions: who is let in, and for how long."""

import asyncio

import asyncpg
import pytest

from models import ids
from models.devices.devices import revoke_device
from models.devices.sessions import Session, Sessions, Unauthenticated
from models.postgresql.database import Database
from models.postgresql.lending import Lender
from models.refusals import RefusalCode, Refused
from models.tokens import Tokens
from tests.database.users.sessions import (
    CountingDatabase,
    GatedDatabase,
    device_row,
    let_in,
    refused,
)
from tests.database.users.signing_in import HOME, NOW, after, signed_in
from tests.waiting import eventually


async def test_lets_a_device_in_by_its_access_token(
    database: Database, tokens: Tokens, sessions: Sessions
) -> None:
    session = await signed_in(database, tokens)

    assert await let_in(sessions, session)
    assert await let_in(sessions, session, now=after(899))
    assert not await let_in(sessions, session, now=after(900))


async def test_lets_in_nobody_without_a_header(sessions: Sessions) -> None:
    assert await sessions.authenticate(None) is None


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic {}", "{}", "Bearer {} {}", "Bearer x.y.z", "Bearer {}x"],
)
async def test_refuses_every_other_header(
    database: Database, tokens: Tokens, sessions: Sessions, header: str
) -> None:
    session = await signed_in(database, tokens)
    with pytest.raises(Unauthenticated):
        await sessions.authenticate(header.replace("{}", session.access_token), now=NOW)


async def test_refuses_the_token_of_a_device_that_does_not_exist(
    tokens: Tokens, sessions: Sessions
) -> None:
    token, _ = tokens.make_access(ids.new_id(), ids.new_id(), 1, now=NOW)
    with pytest.raises(Unauthenticated):
        await sessions.authenticate(f"Bearer {token}", now=NOW)


async def test_refuses_the_token_of_another_users_device(
    database: Database, tokens: Tokens, sessions: Sessions
) -> None:
    alice, bob = (
        await signed_in(database, tokens),
        await signed_in(database, tokens, "+14155550102"),
    )
    token, _ = tokens.make_access(alice.user.id, bob.device.id, 1, now=NOW)
    with pytest.raises(Unauthenticated):
        await sessions.authenticate(f"Bearer {token}", now=NOW)


async def test_refuses_a_generation_that_was_never_answered(
    database: Database, tokens: Tokens, sessions: Sessions
) -> None:
    session = await signed_in(database, tokens)
    token, _ = tokens.make_access(session.user.id, session.device.id, 2, now=NOW)
    with pytest.raises(Unauthenticated):
        await sessions.authenticate(f"Bearer {token}", now=NOW)


async def test_are_read_once_for_many_requests_at_once(database: Database, tokens: Tokens) -> None:
    session = await signed_in(database, tokens)
    counting = CountingDatabase(database)
    sessions = Sessions(counting, tokens)

    assert all(await asyncio.gather(*(let_in(sessions, session) for _ in range(50))))
    assert await let_in(sessions, session)

    assert counting.taken == 1


async def test_end_at_once_on_the_process_that_forgets_and_within_the_cache_on_others(
    database: Database, other_database: Database, tokens: Tokens, sessions: Sessions
) -> None:
    other_sessions = Sessions(other_database, tokens, cache_s=0.2)
    session = await signed_in(database, tokens)
    assert await let_in(sessions, session)
    assert await let_in(other_sessions, session)

    await revoke_device(database, session.user.id, session.device.id)
    sessions.forget(session.device.id)

    assert not await let_in(sessions, session)

    async def out() -> bool:
        return not await let_in(other_sessions, session)

    ended: bool = await eventually(out)
    assert ended


async def test_forget_what_was_being_read_when_they_were_told(
    database: Database, tokens: Tokens, sessions: Sessions
) -> None:
    """A row read before a revocation must not be kept after it."""
    session = await signed_in(database, tokens)
    slow = GatedDatabase(database)
    sessions = Sessions(slow, tokens)
    early = asyncio.create_task(let_in(sessions, session))
    await slow.has_read.wait()
    await revoke_device(database, session.user.id, session.device.id)
    sessions.forget(session.device.id)
    slow.go_on.set()
    await early

    assert not await let_in(sessions, session)


async def test_go_on_for_others_when_the_first_to_ask_goes_away(
    database: Database, tokens: Tokens
) -> None:
    session = await signed_in(database, tokens)
    slow = GatedDatabase(database)
    sessions = Sessions(slow, tokens)
    first, second = (asyncio.create_task(let_in(sessions, session)) for _ in range(2))
    await slow.has_read.wait()
    first.cancel()
    slow.go_on.set()

    assert await second


async def test_keep_a_bounded_number_of_devices(database: Database, tokens: Tokens) -> None:
    counting = CountingDatabase(database)
    sessions = Sessions(counting, tokens, cache_size=2)
    people = [await signed_in(database, tokens, f"+1415555010{i}") for i in range(3)]

    for person in (*people, people[1], people[2], people[0]):
        assert await let_in(sessions, person)

    assert counting.taken == 4


async def test_are_unavailable_while_postgresql_is(tokens: Tokens) -> None:
    """Nobody is signed out by that: 401 would send every client to its sign-in page."""
    pool = asyncpg.create_pool("postgresql://nobody@127.0.0.1:1/none", min_size=0, max_size=1)
    async with pool:
        sessions = Sessions(Database(Lender(pool), ""), tokens)
        access, _ = tokens.make_access(ids.new_id(), ids.new_id(), 1, now=NOW)
        refresh = tokens.make_refresh(ids.new_id(), ids.new_id(), 1)

        for attempt in (
            sessions.authenticate(f"Bearer {access}", now=NOW),
            sessions.refresh(refresh, address=HOME, now=NOW),
        ):
            with pytest.raises(Refused) as caught:
                await attempt
            assert caught.value.code is RefusalCode.UNAVAILABLE


async def test_note_activity_once_a_minute(database: Database, tokens: Tokens) -> None:
    session = await signed_in(database, tokens)
    for seconds in (59, 60, 61, 119):
        sessions = Sessions(database, tokens)
        assert await let_in(sessions, session, now=after(seconds))
        await sessions.close()

    assert (await device_row(database, session))["last_active_at"] == after(60)


# ---------------------------------------------------------------- refresh


async def test_of_two_devices_end_by_themselves(
    database: Database, tokens: Tokens, sessions: Sessions
) -> None:
    phone = await signed_in(database, tokens)
    laptop = await signed_in(database, tokens, now=after(60))

    await revoke_device(database, phone.user.id, phone.device.id)

    assert not await let_in(sessions, phone, now=after(60))
    assert await let_in(sessions, laptop, now=after(60))
    assert not await refused(sessions, laptop.refresh_token, now=after(60))


def test_show_no_token_when_printed(tokens: Tokens) -> None:
    session = Session("access", NOW, "refresh", None, None, is_new_user=False)  # type: ignore[arg-type]
    assert "access" not in repr(session)
    assert "refresh" not in repr(session)


# ---------------------------------------------------------------- pools that tests can watch
