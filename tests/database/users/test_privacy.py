"""The mark of hidden reading on chats, whatever opens while it changes."""

import asyncio
from datetime import UTC, datetime

from models import ids
from models.channels.blocks import set_blocked
from models.channels.chats import make_chat, open_chat
from models.limits.limits import Limits
from models.postgresql.database import Database
from models.users.privacy import PrivacyChanges, update_privacy
from models.users.users import create_user

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def make_users(database: Database, count: int) -> list[str]:
    user_ids = [ids.new_id() for _ in range(count)]
    async with database.transaction() as connection:
        for user_id in user_ids:
            await create_user(connection, user_id, "Somebody", now=NOW)
    return user_ids


async def marked(database: Database) -> set[tuple[str, str]]:
    """(user, channel) of the member rows that are marked."""
    rows = await database.fetch("SELECT user_id, channel_id FROM members WHERE hides_receipts")
    return {(row[0], row[1]) for row in rows}


async def test_a_chat_that_opens_while_reading_is_hidden_gets_the_mark(
    database: Database, other_database: Database
) -> None:
    """200 pairs. The end is what the settings say, whichever of the two was first."""
    (user, *peers) = await make_users(database, 201)

    for n, peer in enumerate(peers):
        hides = n % 2 == 0
        await asyncio.gather(
            update_privacy(database, user, PrivacyChanges(read_receipts=not hides)),
            open_chat(other_database, *((user, peer) if n % 4 < 2 else (peer, user))),
        )
        mine = {(user, ids.chat_id(user, each)) for each in peers[: n + 1]}
        assert await marked(database) == (mine if hides else set())


async def test_opening_waits_for_a_change_that_has_begun(
    database: Database, other_database: Database
) -> None:
    user, peer = await make_users(database, 2)
    async with database.transaction() as connection:
        await connection.execute("UPDATE users SET read_receipts = false WHERE id = $1", user)
        opening = asyncio.create_task(make_chat(other_database, user, peer, now=NOW))
        await asyncio.wait([opening], timeout=0.2)
        assert not opening.done()

    assert await opening
    assert await marked(database) == {(user, ids.chat_id(user, peer))}


async def test_both_settings_are_copied_when_a_blocked_chat_opens(database: Database) -> None:
    """It was made by a block, and changed by nobody since, for it was listed nowhere."""
    user, peer = await make_users(database, 2)
    await set_blocked(database, user, peer, True, limits=Limits(), now=NOW)
    for each in (user, peer):
        await update_privacy(database, each, PrivacyChanges(read_receipts=False))
    assert await marked(database) == set()

    await open_chat(database, peer, user)

    chat = ids.chat_id(user, peer)
    assert await marked(database) == {(user, chat), (peer, chat)}


async def test_groups_are_never_marked(database: Database) -> None:
    (user,) = await make_users(database, 1)
    group = ids.new_id()
    await database.execute(
        "INSERT INTO channels (id, kind, created_at) VALUES ($1, 2, $2)", group, NOW
    )
    await database.execute(
        "INSERT INTO members (channel_id, user_id, role, joined_at, joined_seq) "
        "VALUES ($1, $2, 1, $3, 1)",
        group,
        user,
        NOW,
    )
    await database.execute(
        "INSERT INTO user_channels (user_id, channel_id) VALUES ($1, $2)", user, group
    )

    await update_privacy(database, user, PrivacyChanges(read_receipts=False))

    assert await marked(database) == set()
