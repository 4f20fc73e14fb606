"""Files go when nothing holds them any more, and, where it is set so, when everybody has them."""

import asyncio

import pytest

from models import ids
from models.log.committer import Committer
from models.log.entries import Batch
from models.media.media import MediaState, list_media
from tests.changes import delete
from tests.locks import count_waiting
from tests.make import Person
from tests.media.making import Files, picture, render, taken
from tests.waiting import eventually
from workers.jobs.runner import RetryLater
from workers.media.releases import MediaReleases


def releases(
    files: Files, batches: list[Batch] | None = None, *, patience_s: float = 3600
) -> MediaReleases:
    told = [] if batches is None else batches
    return MediaReleases(
        files.database,
        files.storage,
        told.append,
        deletes_after_delivery=True,
        patience_s=patience_s,
    )


async def is_gone(files: Files, media_id: str) -> bool:
    return media_id not in await list_media(files.database, [media_id])


def message_id(chat: str, seq: int) -> str:
    return f"msg_{chat.removeprefix('chn_')}_{seq}"


# -------------------------------------------------------------------- released


async def test_the_file_of_a_deleted_message_goes(
    files: Files, committer: Committer, alice: Person, chat: str
) -> None:
    media_id = await files.add_ready()
    seq = await files.send(committer, alice, chat, media_id)

    await delete(alice, message_id(chat, seq))
    await releases(files).release(taken(media_ids=[media_id]))

    assert await is_gone(files, media_id)
    assert await files.keys() == []


async def test_a_file_stays_while_another_message_holds_it(
    files: Files, committer: Committer, alice: Person, bob: Person, chat: str
) -> None:
    media_id = await files.add_ready()
    seq = await files.send(committer, alice, chat, media_id)
    await files.send(committer, bob, chat, media_id)
    stored = await files.keys()

    await delete(alice, message_id(chat, seq))
    await releases(files).release(taken(media_ids=[media_id]))

    assert await files.keys() == stored
    assert not await is_gone(files, media_id)


async def test_a_content_stays_while_another_file_shares_it(
    files: Files, committer: Committer, alice: Person, chat: str
) -> None:
    one, other = await files.add_ready(), await files.add_ready()
    seq = await files.send(committer, alice, chat, one)
    stored = await files.keys()

    await delete(alice, message_id(chat, seq))
    await releases(files).release(taken(media_ids=[one]))

    assert await is_gone(files, one)
    assert await files.keys() == stored
    await files.use(other, 1, ids.new_id(), alice.user.id, "never came")
    await releases(files, patience_s=0).release(taken(media_ids=[other]))
    assert await files.keys() == []


async def test_a_use_whose_message_is_not_there_yet_waits_for_it(
    files: Files, alice: Person
) -> None:
    media_id = await files.add_ready()
    await files.use(media_id, 1, ids.new_id(), alice.user.id, "coming")

    with pytest.raises(RetryLater) as later:
        await releases(files).release(taken(media_ids=[media_id]))

    assert 3500 < later.value.after_s <= 3600
    assert not await is_gone(files, media_id)


async def test_a_picture_stays_until_it_is_replaced(files: Files, alice: Person) -> None:
    media_id = await files.add_ready()
    await files.use(media_id, 2, alice.user.id, alice.user.id)
    await set_avatar(files, alice, media_id)

    await releases(files, patience_s=0).release(taken(media_ids=[media_id]))
    assert not await is_gone(files, media_id)

    await set_avatar(files, alice, ids.new_id())
    await releases(files, patience_s=0).release(taken(media_ids=[media_id]))
    assert await is_gone(files, media_id)


async def set_avatar(files: Files, person: Person, media_id: str) -> None:
    await files.database.execute(
        "UPDATE users SET avatar = jsonb_build_object('id', $2::text) WHERE id = $1",
        person.user.id,
        media_id,
    )


async def test_releasing_a_content_never_takes_it_from_a_file_that_finds_it_meanwhile(
    files: Files, alice: Person
) -> None:
    for _ in range(15):
        gone = await files.add_ready()
        await files.use(gone, 1, ids.new_id(), alice.user.id, "never came")
        coming = await files.add(picture())

        await asyncio.gather(
            releases(files, patience_s=0).release(taken(media_ids=[gone])),
            render(files.job(), coming),
        )

        keys = [each.key for each in (await files.get(coming)).renditions]
        assert keys
        assert await files.keys() == sorted(keys)


async def test_releasing_a_content_waits_for_a_file_that_is_just_taking_it(
    files: Files, alice: Person
) -> None:
    gone, coming = await files.add_ready(), await files.add(picture())
    await files.use(gone, 1, ids.new_id(), alice.user.id, "never came")
    stored = [each.key for each in (await files.get(gone)).renditions]

    async with files.database.transaction() as taking:
        digest = await taking.fetchval("SELECT digest FROM media_contents")
        await taking.execute("SELECT 1 FROM media_contents WHERE digest = $1 FOR UPDATE", digest)
        await taking.execute(
            "UPDATE media SET content_digest = $2 WHERE id = $1",
            coming,
            digest,
        )
        releasing = asyncio.create_task(
            releases(files, patience_s=0).release(taken(media_ids=[gone]))
        )
        await eventually(lambda: waits_for_a_lock(files))
    await releasing

    assert await is_gone(files, gone)
    assert set(stored) <= set(await files.keys())


async def waits_for_a_lock(files: Files) -> bool:
    return await count_waiting(files.database) > 0


# -------------------------------------------------------------------- delivered


async def note_stored(files: Files, media_id: str, *people: Person) -> None:
    for person in people:
        await files.database.execute(
            "INSERT INTO media_stored VALUES ($1, $2)", media_id, person.user.id
        )


async def test_a_file_goes_once_every_member_has_it_and_all_are_told(
    files: Files, committer: Committer, alice: Person, bob: Person, chat: str
) -> None:
    media_id = await files.add_ready()
    await files.send(committer, alice, chat, media_id)
    batches: list[Batch] = []

    await note_stored(files, media_id, bob)
    for _ in range(2):
        await releases(files, batches).delivered(taken(media_ids=[media_id]))

    media = await files.get(media_id)
    assert (media.state, media.renditions) == (MediaState.EXPIRED, [])
    assert media.placeholder
    assert await files.keys() == []
    assert [(entry.seq, entry.message.seq) for b in batches for entry in b.entries] == [(2, 1)]


async def test_a_file_stays_while_a_member_lacks_it(
    files: Files, committer: Committer, alice: Person, bob: Person, chat: str
) -> None:
    media_id = await files.add_ready()
    await files.send(committer, alice, chat, media_id)

    await note_stored(files, media_id, alice)
    await releases(files).delivered(taken(media_ids=[media_id]))

    assert await files.state(media_id) is MediaState.READY


async def test_a_file_that_was_forwarded_stays_until_it_arrived_there_too(
    files: Files, committer: Committer, alice: Person, bob: Person, carol: Person, chat: str
) -> None:
    media_id = await files.add_ready()
    await files.send(committer, alice, chat, media_id)
    await files.send(committer, alice, await alice.open_chat(carol), media_id)

    await note_stored(files, media_id, bob)
    await releases(files).delivered(taken(media_ids=[media_id]))
    assert await files.state(media_id) is MediaState.READY

    await note_stored(files, media_id, carol)
    await releases(files).delivered(taken(media_ids=[media_id]))
    assert await files.state(media_id) is MediaState.EXPIRED


async def test_whoever_has_left_need_not_have_it(
    files: Files, committer: Committer, alice: Person, bob: Person, chat: str
) -> None:
    media_id = await files.add_ready()
    await files.send(committer, alice, chat, media_id)
    await files.database.execute("UPDATE members SET left_seq = 1 WHERE user_id = $1", bob.user.id)

    await releases(files).delivered(taken(media_ids=[media_id]))

    assert await files.state(media_id) is MediaState.EXPIRED


async def test_a_picture_does_not_go_after_delivery(
    files: Files, committer: Committer, alice: Person, bob: Person, chat: str
) -> None:
    media_id = await files.add_ready()
    await files.send(committer, alice, chat, media_id)
    await files.use(media_id, 2, alice.user.id, alice.user.id)

    await note_stored(files, media_id, bob)
    await releases(files).delivered(taken(media_ids=[media_id]))

    assert await files.state(media_id) is MediaState.READY


async def test_an_expired_file_leaves_an_equal_one_whole(
    files: Files, committer: Committer, alice: Person, bob: Person, chat: str
) -> None:
    media_id, other = await files.add_ready(), await files.add_ready()
    stored = await files.keys()
    await files.send(committer, alice, chat, media_id)

    await note_stored(files, media_id, bob)
    await releases(files).delivered(taken(media_ids=[media_id]))

    assert await files.state(other) is MediaState.READY
    assert await files.keys() == stored
