"""Uses of media, over two processes' pools: what is claimed is there, and what is let go is not
claimed.
"""

import asyncio
from datetime import UTC, datetime
from functools import partial

import pytest

from models import ids
from models.channels.chats import open_chat
from models.limits.limits import Limits
from models.media.media import MediaState
from models.media.releases import delete_unused, release_media
from models.media.uses import HolderKind, claim_for_message, claim_picture, list_visible
from models.postgresql.database import Database
from models.refusals import RefusalCode, Refused
from models.users.users import ProfileChanges, User, create_user, update_profile
from tests.locks import count_waiting
from tests.times import earlier
from tests.waiting import Edge, eventually, steps

NOW = datetime.now(UTC)
PAIRS = 60


async def make_user(database: Database, name: str) -> User:
    async with database.transaction() as connection:
        return await create_user(connection, ids.new_id(), name, now=NOW)


async def add_media(database: Database, owner_id: str, *, used: bool = False) -> str:
    """Return the id of a picture that is ready."""
    media_id = ids.new_id()
    await database.execute(
        "INSERT INTO media (id, owner_id, kind, state, file_name, content_type, byte_size, "
        "created_at, used_at) VALUES ($1, $2, 1, 3, 'x', 'image/png', 1, now(), $3)",
        media_id,
        owner_id,
        NOW if used else None,
    )
    return media_id


async def claim(database: Database, user_id: str, media_id: str) -> RefusalCode | None:
    """For a message that is never sent."""
    try:
        await claim_for_message(database, user_id, ids.new_id(), "1", [media_id])
    except Refused as refused:
        return refused.code
    return None


async def test_a_file_is_claimed_or_deleted_never_both(
    database: Database, other_database: Database
) -> None:
    owner_id, edge, outcomes = ids.new_id(), Edge(), set()
    for _ in range(PAIRS):
        media_id = await add_media(database, owner_id, used=True)

        async def delete(media_id: str = media_id) -> bool:
            await steps(edge.steps)
            return (await delete_unused(other_database, media_id, was_used=True))[0]

        refused, deleted = await asyncio.gather(claim(database, owner_id, media_id), delete())
        edge.note(too_early=deleted)
        outcomes.add((refused, deleted))

    assert outcomes == {(None, False), (RefusalCode.NOT_FOUND, True)}


async def test_claims_of_the_same_files_in_any_order_wait_for_each_other_in_one(
    database: Database, other_database: Database
) -> None:
    """More files than a message has: they are locked for longer."""
    owner_id = ids.new_id()
    media_ids = [await add_media(database, owner_id) for _ in range(200)]

    claims = [
        claim_for_message(pool, owner_id, ids.new_id(), "1", order)
        for _ in range(10)
        for pool, order in ((database, media_ids), (other_database, media_ids[::-1]))
    ]
    found = await asyncio.gather(*claims)

    assert [[each.id for each in media] for media in found[:2]] == [media_ids, media_ids[::-1]]
    assert await database.fetchval("SELECT count(*) FROM media_uses") == 20 * 200


async def test_a_use_that_is_written_again_is_as_new(database: Database) -> None:
    owner_id, channel_id = ids.new_id(), ids.new_id()
    media_id = await add_media(database, owner_id)
    for _ in range(2):
        await claim_for_message(database, owner_id, channel_id, "1", [media_id])
        age_s = await database.fetchval("SELECT extract(epoch FROM now() - at) FROM media_uses")
        assert age_s < 60
        a_day_earlier = earlier("at", "interval '1 day'")
        await database.execute(f"UPDATE media_uses SET at = {a_day_earlier}")


async def test_the_first_use_marks_a_file_as_used(database: Database) -> None:
    owner_id = ids.new_id()
    media_id = await add_media(database, owner_id)

    await claim(database, owner_id, media_id)

    used_at = await database.fetchval("SELECT used_at FROM media")
    await claim(database, owner_id, media_id)
    assert used_at is not None
    assert await database.fetchval("SELECT used_at FROM media") == used_at


async def test_pictures_that_race_leave_one_and_let_go_of_the_others(
    database: Database, other_database: Database
) -> None:
    user = await make_user(database, "Alice")
    media_ids = [await add_media(database, user.id) for _ in range(12)]

    async def change(pool: Database, media_id: str) -> None:
        await update_profile(pool, user.id, ProfileChanges(avatar_id=media_id), limits=Limits())

    pools = (database, other_database)
    await asyncio.gather(*(change(pools[n % 2], each) for n, each in enumerate(media_ids)))

    kept = await database.fetchval("SELECT avatar->>'id' FROM users")
    released = {
        media_id
        for media_id in media_ids
        if await database.fetchval(
            "SELECT EXISTS (SELECT FROM jobs WHERE kind = 'media_release' "
            "AND position($1 IN convert_from(payload, 'UTF8')) > 0)",
            media_id,
        )
    }
    assert released == set(media_ids) - {kept}


async def test_what_is_a_picture_is_not_let_go(database: Database) -> None:
    user = await make_user(database, "Alice")
    media_id = await add_media(database, user.id)
    await update_profile(database, user.id, ProfileChanges(avatar_id=media_id), limits=Limits())

    await release_media(database, media_id, patience_s=0)

    assert await database.fetchval("SELECT count(*) FROM media") == 1


async def test_what_was_a_picture_is_let_go(database: Database) -> None:
    user = await make_user(database, "Alice")
    media_id = await add_media(database, user.id)
    for avatar_id in (media_id, None):
        changes = ProfileChanges(avatar_id=avatar_id)
        await update_profile(database, user.id, changes, limits=Limits())

    await release_media(database, media_id, patience_s=0)

    assert await database.fetchval("SELECT count(*) FROM media") == 0


async def test_a_picture_that_expires_while_it_is_claimed_is_refused(
    database: Database, other_database: Database
) -> None:
    """What was read before the lock counts for nothing."""
    owner_id = ids.new_id()
    media_id = await add_media(database, owner_id)
    async with database.transaction() as connection:
        await connection.execute(
            "UPDATE media SET state = $1 WHERE id = $2", MediaState.EXPIRED.value, media_id
        )
        claiming = asyncio.create_task(
            claim_picture(database, owner_id, HolderKind.USER, owner_id, media_id)
        )
        await eventually(partial(waits, other_database))

    with pytest.raises(Refused) as refused:
        await claiming

    assert refused.value.code is RefusalCode.NOT_FOUND
    assert await database.fetchval("SELECT count(*) FROM media_uses") == 0


async def waits(database: Database) -> bool:
    return await count_waiting(database) > 0


async def test_of_many_channels_only_the_viewer_s_are_looked_at(database: Database) -> None:
    """A file that half the world forwards: the uses of other channels are not read."""
    alice, bob = await make_user(database, "Alice"), await make_user(database, "Bob")
    chat, _ = await open_chat(database, alice.id, bob.id)
    media_id = await add_media(database, alice.id, used=True)
    await database.execute(
        "INSERT INTO media_uses SELECT $1, 1, gen_random_uuid(), $2, n::text, now() "
        "FROM generate_series(1, 2000) n",
        media_id,
        alice.id,
    )
    await database.execute(
        "INSERT INTO media_uses VALUES ($1, 1, $2, $3, 'c', now())", media_id, chat.id, alice.id
    )
    await database.execute(
        "INSERT INTO messages (channel_id, seq, kind, sender_id, client_message_id, draft_hash, "
        "details, sent_at) VALUES ($1, 1, 2, $2, 'c', '', $3, now())",
        chat.id,
        alice.id,
        f'{{"media": ["{media_id}"]}}',
    )

    assert set(await list_visible(database, bob.id, [media_id, ids.new_id()])) == {media_id}
