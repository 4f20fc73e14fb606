"""Refresh of sessions: which pair answers a refresh token, and when it ends the device."""

import asyncio

import pytest

from models.devices.devices import find_access_expiry, revoke_device
from models.devices.sessions import Sessions
from models.devices.token_generations import accept_generation
from models.postgresql.database import Database
from models.tokens import Tokens
from tests.database.users.sessions import device_row, let_in, refused
from tests.database.users.signing_in import HOME, after, signed_in
from tests.locks import count_waiting
from tests.waiting import eventually


async def test_refresh_answers_with_a_new_pair_and_renews_the_open_sockets(
    database: Database, tokens: Tokens, sessions: Sessions
) -> None:
    first = await signed_in(database, tokens)

    second = await sessions.refresh(first.refresh_token, address=HOME, now=after(600))

    assert second.refresh_token != first.refresh_token
    assert second.access_token_expires_at == after(1500)
    assert (second.user, second.device.id) == (first.user, first.device.id)
    assert not second.is_new_user
    assert await let_in(sessions, second, now=after(600))
    assert await find_access_expiry(database, first.user.id, first.device.id) == after(1500)


async def test_refresh_leaves_the_old_access_token_to_its_own_end(
    database: Database, tokens: Tokens, sessions: Sessions
) -> None:
    first = await signed_in(database, tokens)
    await sessions.refresh(first.refresh_token, address=HOME, now=after(600))

    assert await let_in(sessions, first, now=after(899))
    assert not await let_in(sessions, first, now=after(900))


async def test_access_token_goes_with_its_pair_once_the_new_one_was_accepted_for_the_grace(
    database: Database, tokens: Tokens, sessions: Sessions
) -> None:
    first = await signed_in(database, tokens)
    second = await sessions.refresh(first.refresh_token, address=HOME, now=after(600))
    assert await let_in(sessions, second, now=after(700))

    assert await let_in(sessions, first, now=after(710))
    assert not await let_in(sessions, first, now=after(711))
    assert await let_in(sessions, second, now=after(711))


async def test_refresh_whose_answer_got_lost_answers_the_same_again_hours_later(
    database: Database, tokens: Tokens, sessions: Sessions
) -> None:
    first = await signed_in(database, tokens)
    lost = await sessions.refresh(first.refresh_token, address=HOME, now=after(600))

    again = await sessions.refresh(first.refresh_token, address=HOME, now=after(7200))

    assert again.refresh_token == lost.refresh_token
    assert again.access_token != lost.access_token
    assert await let_in(sessions, again, now=after(7200))
    assert (
        await find_access_expiry(database, first.user.id, first.device.id)
        == again.access_token_expires_at
    )


@pytest.mark.parametrize("tabs", [2, 20])
async def test_refresh_by_tabs_at_once_over_two_processes_answers_all_the_same(
    database: Database, tokens: Tokens, sessions: Sessions, other_sessions: Sessions, tabs: int
) -> None:
    first = await signed_in(database, tokens)

    answers = await asyncio.gather(
        *(
            (sessions, other_sessions)[i % 2].refresh(
                first.refresh_token, address=HOME, now=after(600)
            )
            for i in range(tabs)
        )
    )

    assert len({answer.refresh_token for answer in answers}) == 1
    assert (await device_row(database, first))["generation"] == 2


async def test_old_token_works_until_ten_seconds_after_the_new_access_token_was_first_used(
    database: Database, tokens: Tokens, sessions: Sessions, other_sessions: Sessions
) -> None:
    first = await signed_in(database, tokens)
    second = await sessions.refresh(first.refresh_token, address=HOME, now=after(600))
    assert await let_in(other_sessions, second, now=after(1000))
    assert await let_in(sessions, second, now=after(1008))

    again = await sessions.refresh(first.refresh_token, address=HOME, now=after(1010))
    assert again.refresh_token == second.refresh_token
    assert await refused(sessions, first.refresh_token, now=after(1010.001))


async def test_old_token_works_until_ten_seconds_after_the_new_refresh_token_was_first_used(
    database: Database, tokens: Tokens, sessions: Sessions
) -> None:
    first = await signed_in(database, tokens)
    second = await sessions.refresh(first.refresh_token, address=HOME, now=after(600))
    third = await sessions.refresh(second.refresh_token, address=HOME, now=after(1000))
    fourth = await sessions.refresh(third.refresh_token, address=HOME, now=after(1001))
    assert len({s.refresh_token for s in (first, second, third, fourth)}) == 4

    for old, new in ((first, second), (second, third), (third, fourth)):
        assert (
            await sessions.refresh(old.refresh_token, address=HOME, now=after(1010))
        ).refresh_token == new.refresh_token

    assert await refused(sessions, first.refresh_token, now=after(1010.5))
    assert await refused(sessions, fourth.refresh_token, now=after(1010.5))


async def test_use_of_an_older_access_token_accepts_nothing(
    database: Database, tokens: Tokens, sessions: Sessions
) -> None:
    first = await signed_in(database, tokens)
    second = await sessions.refresh(first.refresh_token, address=HOME, now=after(600))

    assert await let_in(sessions, first, now=after(601))

    assert (await device_row(database, first))["generation_accepted_at"] is None
    again = await sessions.refresh(first.refresh_token, address=HOME, now=after(700))
    assert again.refresh_token == second.refresh_token


async def test_acceptance_is_dated_by_the_first_use(
    database: Database, tokens: Tokens, sessions: Sessions, other_sessions: Sessions
) -> None:
    first = await signed_in(database, tokens)
    second = await sessions.refresh(first.refresh_token, address=HOME, now=after(600))

    for process, seconds in ((sessions, 601), (other_sessions, 605), (sessions, 609)):
        assert await let_in(process, second, now=after(seconds))

    assert (await device_row(database, first))["generation_accepted_at"] == after(601)


async def test_acceptance_is_of_the_newest_generation_and_never_dated_again(
    database: Database, other_database: Database, tokens: Tokens, sessions: Sessions
) -> None:
    """Processes that know an older row may say it again, or too late."""
    first = await signed_in(database, tokens)
    await sessions.refresh(first.refresh_token, address=HOME, now=after(600))
    user_id, device_id = first.user.id, first.device.id

    await accept_generation(other_database, user_id, device_id, 1, now=after(601))
    assert (await device_row(database, first))["generation_accepted_at"] is None
    await accept_generation(other_database, user_id, device_id, 2, now=after(602))
    await accept_generation(database, user_id, device_id, 2, now=after(603))

    assert (await device_row(database, first))["generation_accepted_at"] == after(602)


async def test_refresh_waits_for_whoever_changes_the_device(
    database: Database, other_database: Database, tokens: Tokens, sessions: Sessions
) -> None:
    """It must not answer by a row from before another process accepted the new pair."""
    first = await signed_in(database, tokens)
    await sessions.refresh(first.refresh_token, address=HOME, now=after(600))
    async with other_database.transaction() as connection:
        await connection.execute("UPDATE devices SET generation_accepted_at = $1", after(600))
        late = asyncio.create_task(refused(sessions, first.refresh_token, now=after(700)))

        async def waits() -> bool:
            return await count_waiting(database) > 0

        waited: bool = await eventually(waits)
        assert waited
        assert not late.done()

    assert await late


async def test_stolen_token_used_late_ends_the_device_for_the_thief_and_the_owner(
    database: Database, tokens: Tokens, sessions: Sessions, other_sessions: Sessions
) -> None:
    stolen = await signed_in(database, tokens)
    owner = await sessions.refresh(stolen.refresh_token, address=HOME, now=after(600))
    assert await let_in(sessions, owner, now=after(600))
    assert await let_in(other_sessions, owner, now=after(600))

    assert await refused(other_sessions, stolen.refresh_token, now=after(700))

    assert not await let_in(other_sessions, owner, now=after(700))
    assert await refused(sessions, owner.refresh_token, now=after(700))
    assert await sessions.list_revoked(60) == [(owner.user.id, owner.device.id)]
    assert await sessions.find_access_expiry(owner.user.id, owner.device.id) is None


async def test_new_access_token_is_known_to_a_process_that_cached_the_device_before(
    database: Database, tokens: Tokens, sessions: Sessions, other_sessions: Sessions
) -> None:
    first = await signed_in(database, tokens)
    assert await let_in(other_sessions, first)

    second = await sessions.refresh(first.refresh_token, address=HOME, now=after(1))

    assert await let_in(other_sessions, second, now=after(1))


async def test_refresh_token_works_sixty_days_after_the_last_refresh(
    database: Database, tokens: Tokens, sessions: Sessions
) -> None:
    day = 24 * 3600
    first = await signed_in(database, tokens)

    second = await sessions.refresh(first.refresh_token, address=HOME, now=after(60 * day))
    assert await refused(sessions, second.refresh_token, now=after(120 * day + 1))
    assert await refused(sessions, second.refresh_token, now=after(60 * day + 2))


async def test_forged_refresh_token_touches_nothing(
    database: Database, tokens: Tokens, sessions: Sessions
) -> None:
    session = await signed_in(database, tokens)
    good = session.refresh_token
    before = await device_row(database, session)

    for forged in (
        good[:-2] + "AA",
        good.replace("_1_", "_2_"),
        "",
        "x" * 100_000,
        session.access_token,
    ):
        assert await refused(sessions, forged, now=after(10))

    assert await device_row(database, session) == before


async def test_signed_out_device_cannot_refresh(
    database: Database, tokens: Tokens, sessions: Sessions
) -> None:
    session = await signed_in(database, tokens)
    await revoke_device(database, session.user.id, session.device.id)
    assert await refused(sessions, session.refresh_token, now=after(1))
