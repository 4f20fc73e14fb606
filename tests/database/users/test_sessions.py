"""Sessions: who is let in, for how long, and what refreshing does."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import asyncpg
import pytest
import pytest_asyncio

from models import ids
from models.database import Database
from models.devices.devices import find_access_expiry, revoke_device
from models.devices.sessions import Session, Sessions, Unauthenticated
from models.devices.token_generations import accept_generation
from models.refusals import RefusalCode, Refused
from models.tokens import Tokens
from tests.database.users.signing_in import HOME, NOW, after, signed_in
from tests.waiting import eventually


@pytest_asyncio.fixture
async def sessions(database: Database, tokens: Tokens) -> AsyncIterator[Sessions]:
    opened = Sessions(database, tokens)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def other_sessions(other_database: Database, tokens: Tokens) -> AsyncIterator[Sessions]:
    """Those of another process."""
    opened = Sessions(other_database, tokens)
    yield opened
    await opened.close()


async def let_in(sessions: Sessions, session: Session, *, now: datetime = NOW) -> bool:
    try:
        viewer = await sessions.authenticate(f"Bearer {session.access_token}", now=now)
    except Unauthenticated:
        return False
    assert viewer is not None
    assert (viewer.user, viewer.device_id) == (session.user, session.device.id)
    assert viewer.token_expires_at == session.access_token_expires_at
    return True


async def refused(sessions: Sessions, refresh_token: str, *, now: datetime = NOW) -> bool:
    try:
        await sessions.refresh(refresh_token, address=HOME, now=now)
    except Refused as no:
        return no.code is RefusalCode.SESSION_REVOKED
    return False


async def device_row(database: Database, session: Session) -> dict[str, object]:
    row = await database.fetchrow("SELECT * FROM devices WHERE id = $1", session.device.id)
    assert row is not None
    return dict(row)


# ---------------------------------------------------------------- access


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
    pool = CountingPool(database)
    sessions = Sessions(Database(pool, database.url), tokens)  # type: ignore[arg-type]

    assert all(await asyncio.gather(*(let_in(sessions, session) for _ in range(50))))
    assert await let_in(sessions, session)

    assert pool.acquired == 1


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

    ended: bool = await eventually(out, within_s=2)
    assert ended


async def test_forget_what_was_being_read_when_they_were_told(
    database: Database, tokens: Tokens, sessions: Sessions
) -> None:
    """A row read before a revocation must not be kept after it."""
    session = await signed_in(database, tokens)
    slow = GatedPool(database)
    sessions = Sessions(Database(slow, database.url), tokens)  # type: ignore[arg-type]
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
    slow = GatedPool(database)
    sessions = Sessions(Database(slow, database.url), tokens)  # type: ignore[arg-type]
    first, second = (asyncio.create_task(let_in(sessions, session)) for _ in range(2))
    await slow.has_read.wait()
    first.cancel()
    slow.go_on.set()

    assert await second


async def test_keep_a_bounded_number_of_devices(database: Database, tokens: Tokens) -> None:
    pool = CountingPool(database)
    sessions = Sessions(Database(pool, database.url), tokens, cache_size=2)  # type: ignore[arg-type]
    people = [await signed_in(database, tokens, f"+1415555010{i}") for i in range(3)]

    for person in (*people, people[1], people[2], people[0]):
        assert await let_in(sessions, person)

    assert pool.acquired == 4


async def test_are_unavailable_while_postgresql_is(tokens: Tokens) -> None:
    """Nobody is signed out by that: 401 would send every client to its sign-in page."""
    pool = asyncpg.create_pool("postgresql://nobody@127.0.0.1:1/none", min_size=0, max_size=1)
    async with pool:
        sessions = Sessions(Database(pool, ""), tokens)
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
            query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            return bool(await connection.fetchval(query))

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


class CountingPool:
    """Another's pool; counts how often a connection was taken from it."""

    def __init__(self, database: Database) -> None:
        self._pool = database.pool
        self.acquired = 0

    def acquire(self, *, timeout: float) -> object:
        self.acquired += 1
        return self._pool.acquire(timeout=timeout)


class GatedPool(CountingPool):
    """Another's pool; what its first connection read is handed back when told so."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.has_read = asyncio.Event()
        self.go_on = asyncio.Event()

    def acquire(self, *, timeout: float) -> object:
        taken = super().acquire(timeout=timeout)
        return _Gate(self, taken) if self.acquired == 1 else taken


class _Gate:
    def __init__(self, pool: GatedPool, taken: object) -> None:
        self._pool, self._taken = pool, taken

    async def __aenter__(self) -> object:
        return await self._taken.__aenter__()  # type: ignore[attr-defined]

    async def __aexit__(self, *error: object) -> object:
        self._pool.has_read.set()
        await self._pool.go_on.wait()
        return await self._taken.__aexit__(*error)  # type: ignore[attr-defined]
