"""Who may see whose presence, and last seen, which only moves forward."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from models import ids
from models.postgresql.database import Database
from models.users.presence import list_last_seen, note_last_seen
from models.users.privacy import Audience
from models.users.users import create_user

EVERYONE, CONTACTS, NOBODY = Audience.EVERYONE, Audience.CONTACTS, Audience.NOBODY


async def make_user(database: Database, name: str, audience: Audience = EVERYONE) -> str:
    user_id = ids.new_id()
    async with database.transaction() as connection:
        await create_user(connection, user_id, name, now=datetime.now(UTC))
        await connection.execute(
            "UPDATE users SET last_seen_audience = $2 WHERE id = $1", user_id, audience.value
        )
    return user_id


async def let_them_talk(database: Database, one: str, other: str, *, who: tuple[str, ...]) -> None:
    """A chat in which `who` have said something."""
    for user_id in (one, other):
        await database.execute(
            "INSERT INTO members (channel_id, user_id, role, joined_at, joined_seq, has_sent) "
            "VALUES ($1, $2, 1, now(), 1, $3)",
            ids.chat_id(one, other),
            user_id,
            user_id in who,
        )


async def block(database: Database, user_id: str, other_id: str) -> None:
    await database.execute(
        "INSERT INTO blocks (user_id, blocked_id, at) VALUES ($1, $2, now())", user_id, other_id
    )


async def sees(database: Database, viewer: str, user: str) -> bool:
    return (viewer, user) in await list_last_seen(database, [(viewer, user)])


@pytest.mark.parametrize("contacts", [True, False])
@pytest.mark.parametrize(("mine", "theirs"), list(itertools.product(Audience, Audience)))
async def test_both_audiences_must_admit_the_other(
    database: Database, mine: Audience, theirs: Audience, contacts: bool
) -> None:
    viewer = await make_user(database, "Viewer", mine)
    user = await make_user(database, "User", theirs)
    await let_them_talk(database, viewer, user, who=(viewer, user) if contacts else (viewer,))
    admitting = {EVERYONE, CONTACTS} if contacts else {EVERYONE}

    expected = mine in admitting and theirs in admitting

    assert await sees(database, viewer, user) is expected
    assert await sees(database, user, viewer) is expected


@pytest.mark.parametrize("audience", list(Audience))
async def test_everybody_sees_their_own(database: Database, audience: Audience) -> None:
    user = await make_user(database, "User", audience)

    assert await sees(database, user, user)


async def test_a_block_hides_it_in_both_directions(database: Database) -> None:
    one, other = await make_user(database, "One"), await make_user(database, "Other")
    await let_them_talk(database, one, other, who=(one, other))

    await block(database, one, other)

    assert not await sees(database, one, other)
    assert not await sees(database, other, one)


async def test_many_pairs_are_answered_together_and_each_by_itself(database: Database) -> None:
    open_, close, hidden = [
        await make_user(database, audience.name, audience) for audience in Audience
    ]
    viewer, blocker = await make_user(database, "Viewer"), await make_user(database, "Blocker")
    await let_them_talk(database, viewer, close, who=(viewer, close))
    await block(database, blocker, viewer)
    others = (open_, close, hidden, blocker, ids.new_id())

    seen = await list_last_seen(
        database, [(one, other) for one in (viewer, open_) for other in others]
    )

    assert sorted(seen) == sorted(
        [(viewer, open_), (viewer, close), (open_, open_), (open_, blocker)]
    )


async def test_last_seen_is_so_long_ago_by_the_database_s_clock(database: Database) -> None:
    user = await make_user(database, "User")
    assert await list_last_seen(database, [(user, user)]) == {(user, user): None}
    before = await database.fetchval("SELECT now()")

    await note_last_seen(database, {user: 3600.0, ids.new_id(): 1.0})
    after = await database.fetchval("SELECT now()")

    seen_at = (await list_last_seen(database, [(user, user)]))[user, user]
    assert seen_at is not None
    assert before <= seen_at + timedelta(hours=1) <= after


async def test_last_seen_never_moves_back(database: Database) -> None:
    user = await make_user(database, "User")
    await note_last_seen(database, {user: 10.0})
    first = await list_last_seen(database, [(user, user)])

    await note_last_seen(database, {user: 100.0})

    assert await list_last_seen(database, [(user, user)]) == first
