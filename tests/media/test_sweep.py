"""What nobody needs goes by itself, from the rows and from storage, and both can be compared."""

from pathlib import Path

import pytest
from sqlmodel import SQLModel

from models import ids
from models.log.committer import Committer
from models.media.media import MediaState
from models.media.processing import folder_of
from models.tables.media import MediaRow
from parley.embedded import EmbeddedServers
from parley.settings import Settings
from tests.jobs.running import run_command
from tests.make import Person
from tests.media.making import Files, picture, taken
from tests.media.storage.storing import store
from workers.jobs.runner import RetryLater
from workers.media.releases import MediaReleases
from workers.media.sweep import Ages, Findings, MediaSweep

NEVER_S = 1e7
KEPT = Ages(
    upload_s=NEVER_S,
    staging_s=NEVER_S,
    never_used_s=NEVER_S,
    use_s=NEVER_S,
    object_s=NEVER_S,
    use_window_s=0,
)


def sweeping(files: Files, **ages: float) -> MediaSweep:
    """Return a sweep of what is as old as `ages` says, and of nothing else."""
    releases = MediaReleases(
        files.database,
        files.storage,
        lambda batch: None,
        deletes_after_delivery=True,
        patience_s=ages.get("use_s", NEVER_S),
    )
    fields = {name: getattr(KEPT, name) for name in KEPT.__struct_fields__} | ages
    return MediaSweep(
        files.database, files.storage, releases, Ages(**fields), keeps_originals=False
    )


async def plant(files: Files, key: str, folder: Path) -> str:
    await store(files.storage, key, b"left over", folder)
    return key


async def begin_upload(files: Files) -> str:
    media_id = await files.add(picture())
    await files.database.execute(
        "UPDATE media SET state = $2, content_id = NULL WHERE id = $1",
        media_id,
        MediaState.AWAITING_UPLOAD,
    )
    return media_id


async def test_uploads_that_were_not_finished_go(files: Files) -> None:
    await begin_upload(files)
    await sweeping(files).sweep()
    assert await files.database.fetchval("SELECT count(*) FROM media") == 1

    swept = await sweeping(files, upload_s=0).sweep()

    assert swept.unfinished == 1
    assert await files.database.fetchval("SELECT count(*) FROM media") == 0


async def test_what_was_staged_and_parts_that_were_not_joined_go(
    files: Files, tmp_path: Path
) -> None:
    await plant(files, "staging/one", tmp_path)
    parts_id = await files.storage.parts.begin("staging/two", content_type="image/png")
    await sweeping(files).sweep()
    assert await files.keys("staging/") == ["staging/one"]

    await sweeping(files, staging_s=0).sweep()

    assert await files.keys("staging/") == []
    left = [parts.parts_id async for parts in files.storage.parts.list_unfinished("staging/")]
    assert parts_id not in left


async def test_files_that_were_put_nowhere_go(files: Files) -> None:
    await files.add_ready()
    await sweeping(files).sweep()
    assert await files.keys() != []

    swept = await sweeping(files, never_used_s=0).sweep()

    assert swept.never_used == 1
    assert await files.keys() == []


async def test_files_whose_message_never_came_go(
    files: Files, committer: Committer, alice: Person, chat: str
) -> None:
    lost, sent = await files.add_ready(1), await files.add_ready(2)
    await files.use(lost, 1, ids.new_id(), alice.user.id, "never came")
    await files.send(committer, alice, chat, sent)

    await sweeping(files, use_s=0, use_window_s=60).sweep()

    assert await files.database.fetchval("SELECT array_agg(id) FROM media") == [sent]
    assert await files.keys() == sorted(each.key for each in (await files.get(sent)).renditions)


async def test_files_of_messages_expire_with_time_and_pictures_do_not(
    files: Files, committer: Committer, alice: Person, chat: str
) -> None:
    sent, shown = await files.add_ready(1), await files.add_ready(2)
    await files.send(committer, alice, chat, sent, shown)
    await files.use(shown, 2, alice.user.id, alice.user.id)

    swept = await sweeping(files, kept_s=0).sweep()

    assert swept.expired == 1
    assert await files.state(sent) is MediaState.EXPIRED
    assert await files.state(shown) is MediaState.READY


async def test_objects_that_no_row_names_go_and_all_others_stay(
    files: Files, tmp_path: Path
) -> None:
    ready, processing = await files.add_ready(), await files.add(picture(3))
    stored = await files.keys()
    await plant(files, f"{folder_of(ids.new_id())}preview.jpg", tmp_path)
    await plant(files, f"{folder_of(await files.content_id(ready))}original", tmp_path)
    await sweeping(files).sweep()
    assert len(await files.keys()) == len(stored) + 2

    swept = await sweeping(files, object_s=-60).sweep()

    assert swept.objects == 2
    assert await files.keys() == stored
    assert await files.state(processing) is MediaState.PROCESSING


async def test_the_sweep_comes_again_by_itself(files: Files) -> None:
    with pytest.raises(RetryLater) as later:
        await sweeping(files, again_s=1800).run(taken())

    assert later.value.after_s == 1800


# -------------------------------------------------------------------- comparing


async def compared(files: Files) -> Findings:
    found = Findings()
    async for portion in sweeping(files).compare(older_than_s=-60):
        found.unnamed += portion.unnamed
        found.missing += portion.missing
    return found


async def test_the_check_finds_what_no_row_names_and_what_storage_lacks(
    files: Files, tmp_path: Path
) -> None:
    ready = await files.add_ready()
    assert await compared(files) == Findings([], [])
    lost = (await files.get(ready)).renditions[0].key
    await files.storage.delete([lost])
    planted = await plant(files, f"{folder_of(ids.new_id())}preview.jpg", tmp_path)

    assert await compared(files) == Findings([planted], [lost])


async def check(settings: Settings, s3: EmbeddedServers, *arguments: str) -> tuple[int, str]:
    return await run_command(settings, s3, "check-media", *arguments)


async def test_the_command_says_whether_rows_and_storage_agree(
    files: Files, settings: Settings, s3: EmbeddedServers
) -> None:
    ready = await files.add_ready()
    code, said = await check(settings, s3)
    assert code == 0, said

    lost = (await files.get(ready)).renditions[0].key
    await files.storage.delete([lost])
    code, said = await check(settings, s3, "--repair")

    assert code == 1
    assert f"1 objects that rows name and storage lacks\n  {lost}\n" in said


def test_the_index_of_old_media_is_of_those_that_are_ready() -> None:
    table = SQLModel.metadata.tables[str(MediaRow.__tablename__)]
    (index,) = (each for each in table.indexes if each.name == "ix_media_completed_at")
    condition = index.dialect_options["postgresql"]["where"]

    assert str(condition) == f"state = {MediaState.READY:d}"
