"""The media job: what becomes of a file, what equal files share, and who is told."""

import asyncio
from pathlib import Path

from PIL import Image

from models import ids
from models.log.committer import Committer
from models.log.entries import Batch
from models.media.lanes import LANES
from models.media.media import MediaKind, MediaState
from models.media.renditions import RenditionName
from parley.embedded import EmbeddedServers
from parley.settings import Settings
from tests.client import until
from tests.jobs.running import list_states, queue_jobs, real_worker, running
from tests.make import Person
from tests.media.jobbing import changes_of, is_done
from tests.media.making import Files, picture, render
from tests.uploading import sent_media
from tests.waiting import eventually


async def test_a_picture_becomes_ready_with_its_renditions(files: Files, tmp_path: Path) -> None:
    media_id = await files.add(picture(size=(2000, 1000)))

    await render(files.job(), media_id)

    media = await files.get(media_id)
    assert (media.state, media.width, media.height) == (MediaState.READY, 2000, 1000)
    assert media.placeholder
    folder = f"media/{await files.content_id(media_id)}/"
    assert await files.keys() == sorted(each.key for each in media.renditions)
    for each in media.renditions:
        stored = await files.storage.find(each.key)
        assert stored is not None
        assert each.key.startswith(folder)
        assert (stored.byte_size, stored.content_type) == (each.byte_size, each.content_type)
        await files.storage.download(each.key, tmp_path / "made", most_bytes=each.byte_size)
        with Image.open(tmp_path / "made") as image:
            assert image.size == (each.width, each.height)


async def test_of_a_document_the_original_is_kept(files: Files) -> None:
    media_id = await files.add(b"%PDF-1.7 some words", kind=MediaKind.FILE)

    await render(files.job(), media_id)

    media = await files.get(media_id)
    assert media.state is MediaState.READY
    (original,) = media.renditions
    assert (original.name, original.byte_size) == (RenditionName.ORIGINAL, 19)
    assert await files.keys() == [original.key]


async def test_all_originals_are_kept_where_the_setting_says_so_and_handed_out_to_nobody(
    files: Files,
) -> None:
    media_id = await files.add(picture())

    await render(files.job(keeps_originals=True), media_id)

    assert "original" in await files.keys_of(await files.content_id(media_id))
    renditions = (await files.get(media_id)).renditions
    assert RenditionName.ORIGINAL not in [each.name for each in renditions]


async def test_a_file_that_is_no_picture_fails_alone_and_leaves_nothing(
    files: Files, database_url: str
) -> None:
    bad = await files.add(b"no picture at all", queued=True)
    good = await files.add(picture(), queued=True)

    async with running(database_url, concurrency=1, media_render=files.job().run):
        await eventually(lambda: is_done(files, good))

    failed = await files.get(bad)
    assert failed.state is MediaState.FAILED
    assert failed.failure
    assert await files.keys() == sorted(each.key for each in (await files.get(good)).renditions)


async def test_the_same_content_of_one_owner_is_stored_once(files: Files) -> None:
    one = await files.add_ready()
    stored = await files.keys()

    other = await files.add_ready()

    assert await files.keys() == stored
    assert (await files.get(one)).renditions == (await files.get(other)).renditions


async def test_the_same_content_of_one_owner_at_the_same_time_is_stored_once(files: Files) -> None:
    media_ids = [await files.add(picture()) for _ in range(6)]

    await asyncio.gather(*(render(files.job(), media_id) for media_id in media_ids))

    assert len({await files.content_id(media_id) for media_id in media_ids}) == 1
    assert await files.keys() == sorted(
        each.key for each in (await files.get(media_ids[0])).renditions
    )


async def test_whether_somebody_else_has_a_file_shows_in_nothing_that_is_stored(
    files: Files,
) -> None:
    """Neither by a path nor by an age, for pictures and for what is kept as it came."""
    for kind in (MediaKind.IMAGE, MediaKind.FILE):
        theirs = await files.add(picture(), kind=kind, owner_id=ids.new_id())
        await render(files.job(), theirs)
        before = {key: at async for key, at, _ in files.storage.list_keys("media/")}

        mine = await files.add(picture(), kind=kind)
        await render(files.job(), mine)

        keys = {each.key for each in (await files.get(mine)).renditions}
        assert keys.isdisjoint(before)
        ages = {key: at async for key, at, _ in files.storage.list_keys("media/")}
        assert min(ages[key] for key in keys) >= max(before.values())


async def test_what_is_forwarded_takes_no_room_and_no_work(
    files: Files, committer: Committer, alice: Person, bob: Person, chat: str
) -> None:
    media_id = await files.add_ready(owner_id=alice.user.id)
    await files.send(committer, alice, chat, media_id)
    stored = await files.keys()

    await sent_media(bob, chat, f"med_{media_id}")

    assert await files.keys() == stored
    assert not [kind for kind, _ in await list_states(files.database) if kind in LANES]


async def test_the_same_bytes_as_another_kind_are_another_content(files: Files) -> None:
    shown, kept = await files.add(picture()), await files.add(picture(), kind=MediaKind.FILE)

    await render(files.job(), shown)
    await render(files.job(), kept)

    assert await files.content_id(shown) != await files.content_id(kept)


async def test_every_message_that_holds_it_is_told_once_for_each_state(
    files: Files, committer: Committer, alice: Person, bob: Person, chat: str
) -> None:
    media_id = await files.add(picture(), owner_id=alice.user.id)
    await files.send(committer, alice, chat, media_id)
    await files.send(committer, bob, chat, media_id)
    batches: list[Batch] = []

    for _ in range(3):
        await render(files.job(batches), media_id)

    assert await changes_of(files) == [(4, 3), (4, 4)]
    assert [entry.message.seq for batch in batches for entry in batch.entries] == [1, 2]
    last_seq = await files.database.fetchval("SELECT last_seq FROM channels")
    assert last_seq == 4


async def test_a_failure_is_told_too(
    files: Files, committer: Committer, alice: Person, chat: str
) -> None:
    media_id = await files.add(b"no picture")
    await files.send(committer, alice, chat, media_id)

    await render(files.job(), media_id)

    assert await changes_of(files) == [(4, 2)]


async def test_a_deleted_message_is_told_nothing(
    files: Files, committer: Committer, alice: Person, chat: str
) -> None:
    media_id = await files.add(picture())
    seq = await files.send(committer, alice, chat, media_id)
    await alice.query(
        f'mutation {{ deleteMessage(messageId: "msg_{chat[4:]}_{seq}") {{ __typename }} }}'
    )

    await render(files.job(), media_id)

    assert [kind for kind, _ in await changes_of(files)] == [2]


INBOX = """subscription { inbox { __typename
    ... on LogEvent { seq }
    ... on MessageUpdated { change message { seq media { id state renditions { name } } } } } }"""


async def test_who_follows_hears_at_once_that_a_file_is_ready(
    files: Files,
    committer: Committer,
    alice: Person,
    bob: Person,
    chat: str,
    settings: Settings,
    s3: EmbeddedServers,
    tmp_path: Path,
) -> None:
    media_id = await files.add(picture(), owner_id=alice.user.id)
    await files.send(committer, alice, chat, media_id)
    async with bob.follow(INBOX) as stream, real_worker(settings, s3, tmp_path):
        await until(stream, "InboxReady")
        await queue_jobs(files.database, "media_render", {"media_id": media_id})
        event = (await until(stream, "MessageUpdated"))[-1]

    assert (event["seq"], event["change"], event["message"]["seq"]) == (2, "MEDIA", 1)
    (media,) = event["message"]["media"]
    assert (media["id"], media["state"]) == (f"med_{media_id}", "READY")
    assert {each["name"] for each in media["renditions"]} >= {"THUMBNAIL", "PREVIEW"}
