"""Profiles that a process keeps: found without a statement, and never used when they may be old."""

import time

from models import ids
from models.limits.limits import Limits
from models.postgresql.database import Database
from models.users.profiles import GAP_S, KEPT, USED_FOR_S, Profiles
from models.users.users import ProfileChanges, User, create_user, list_users, update_profile
from tests.database.users.signing_in import NOW


async def make_user(database: Database, name: str = "Ann") -> str:
    user_id = ids.new_id()
    async with database.connection() as connection:
        await create_user(connection, user_id, name, now=NOW)
    return user_id


def keeping(database: Database, most: int = KEPT) -> Profiles:
    """Return what this process keeps from now on; it asks for changes when it is told to."""
    own = Database(database.pool, database.url)
    own.is_distributed, own.shards = database.is_distributed, database.shards
    own.profiles = profiles = Profiles(own, most=most)
    return profiles


async def name_of(profiles: Profiles, user_id: str) -> str:
    return (await list_users(profiles._database, [user_id]))[user_id].name


async def rename(database: Database, user_id: str, limits: Limits, name: str = "Bea") -> User:
    return await update_profile(database, user_id, ProfileChanges(name=name), limits=limits)


async def test_are_found_again_without_a_statement(database: Database) -> None:
    user_id, profiles = await make_user(database), keeping(database)
    await profiles.poll()
    assert await name_of(profiles, user_id) == "Ann"

    assert profiles.find([user_id, ids.new_id()]).keys() == {user_id}


async def test_that_change_in_another_process_are_dropped_with_the_next_question(
    database: Database, limits: Limits
) -> None:
    user_id, profiles = await make_user(database), keeping(database)
    await profiles.poll()
    await name_of(profiles, user_id)
    await rename(database, user_id, limits)

    await profiles.poll()

    assert await name_of(profiles, user_id) == "Bea"


async def test_that_change_in_this_process_are_dropped_at_once(
    database: Database, limits: Limits
) -> None:
    user_id, profiles = await make_user(database), keeping(database)
    await profiles.poll()
    await name_of(profiles, user_id)

    await rename(profiles._database, user_id, limits)

    assert await name_of(profiles, user_id) == "Bea"


async def test_read_before_a_change_and_kept_after_it_go_all_the_same(
    database: Database, limits: Limits
) -> None:
    """As where a reading and a change cross."""
    user_id, profiles = await make_user(database), keeping(database)
    read = await list_users(database, [user_id])
    await rename(database, user_id, limits)
    await profiles.poll()
    profiles.keep(read.values(), time.monotonic())

    await profiles.poll()

    assert profiles.find([user_id]) == {}


async def test_are_not_used_before_it_is_known_what_has_changed(
    database: Database, limits: Limits
) -> None:
    user_id, profiles = await make_user(database), keeping(database)
    await name_of(profiles, user_id)
    await rename(database, user_id, limits)

    assert await name_of(profiles, user_id) == "Bea"


async def test_are_not_used_once_the_last_answer_is_too_old(
    database: Database, limits: Limits
) -> None:
    user_id, profiles = await make_user(database), keeping(database)
    await profiles.poll()
    await name_of(profiles, user_id)
    await rename(database, user_id, limits)
    profiles._asked_at -= USED_FOR_S

    assert await name_of(profiles, user_id) == "Bea"


async def test_are_all_read_anew_after_a_gap(database: Database) -> None:
    user_id, profiles = await make_user(database), keeping(database)
    await profiles.poll()
    await name_of(profiles, user_id)
    profiles._asked_at -= GAP_S

    await profiles.poll()

    assert profiles.find([user_id]) == {}


async def test_of_the_viewer_are_always_read(database: Database, limits: Limits) -> None:
    user_id, profiles = await make_user(database), keeping(database)
    await profiles.poll()
    await name_of(profiles, user_id)
    await rename(database, user_id, limits)

    found = await list_users(profiles._database, [user_id], unkept=[user_id])

    assert found[user_id].name == "Bea"


async def test_that_were_used_last_stay_when_there_are_too_many(database: Database) -> None:
    one, other, third = [await make_user(database) for _ in range(3)]
    profiles = keeping(database, most=2)
    await profiles.poll()
    for user_id in (one, other, one, third):
        await name_of(profiles, user_id)

    assert profiles.find([one, other, third]).keys() == {one, third}
