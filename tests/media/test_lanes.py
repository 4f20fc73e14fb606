"""Media jobs run in lanes by what they are expected to cost, and in each by owners in turn: neither
a film nor one account's many files hold up other people's photos.
"""

from pathlib import Path

import msgspec
import pytest

from models import ids
from models.jobs.due import transaction_with_jobs
from models.jobs.queue import JobQueue, TakenJob
from models.media.lanes import FILM, LONG, QUICK, lane_of, render_later
from models.media.media import MediaKind, MediaState
from models.postgresql.database import Database
from parley.embedded import EmbeddedServers
from parley.settings import Settings
from tests.jobs.running import list_states, real_worker, running_in_turn
from tests.media.files import clip
from tests.media.hostile_files import long_gif
from tests.media.making import Files, picture
from tests.waiting import eventually
from workers.media.renditions import MediaRenderer
from workers.media.sandbox.protocol import MediaLimits

MB = 1_000_000


@pytest.mark.parametrize(
    ("kind", "byte_size", "lane"),
    [
        (MediaKind.IMAGE, 50 * MB, QUICK),
        (MediaKind.AUDIO, MB, QUICK),
        (MediaKind.AUDIO, MB + 1, LONG),
        (MediaKind.FILE, 10 * MB, QUICK),
        (MediaKind.FILE, 10 * MB + 1, LONG),
        (MediaKind.VIDEO, 1, FILM),
    ],
)
def test_a_file_has_the_lane_of_what_it_is_expected_to_cost(
    kind: MediaKind, byte_size: int, lane: str
) -> None:
    assert lane_of(kind, byte_size) == lane


async def test_a_photo_waits_for_no_film(
    files: Files, settings: Settings, s3: EmbeddedServers, tmp_path: Path
) -> None:
    """Other people's films, each of which takes some ten times as long."""
    film = clip(tmp_path / "film", (64, 64), seconds=890, fps=30, sound=None).read_bytes()
    films = [await files.add(film, kind=MediaKind.VIDEO, owner_id=ids.new_id()) for _ in range(10)]
    first, photo = await files.add(picture(1), queued=True), await files.add(picture(2))

    async with real_worker(settings, s3, tmp_path):
        # By then it hears of jobs at once.
        await eventually(lambda: is_ready(files, first))
        for media_id in films:
            await queue_for(files.database, ids.new_id(), FILM, media_id)
        await eventually(lambda: is_running(files.database, FILM))
        await queue_for(files.database, ids.new_id(), QUICK, photo)
        await eventually(lambda: is_ready(files, photo))
        states = [await files.state(each) for each in films]

    assert states.count(MediaState.PROCESSING) >= 9


async def is_running(database: Database, lane: str) -> bool:
    return (lane, "running") in await list_states(database)


async def is_ready(files: Files, media_id: str) -> bool:
    return await files.state(media_id) is MediaState.READY


async def queue_for(database: Database, owner_id: str, kind: str, *names: str) -> None:
    async with transaction_with_jobs(database) as (_, due):
        for name in names:
            render_later(due, name, owner_id, kind)


async def test_owners_take_turns_and_each_has_their_oldest_first(
    files: Files, database_url: str
) -> None:
    names: list[str] = []

    async def note(job: TakenJob) -> None:
        names.append(msgspec.json.decode(job.payload)["media_id"])

    await queue_for(files.database, "one", FILM, *(f"one {at}" for at in range(5)))
    await queue_for(files.database, "two", FILM, "two 0", "two 1")
    await queue_for(files.database, "three", FILM, "three 0")
    async with running_in_turn(database_url, FILM, note):
        await eventually(lambda: len(names) == 8)

    assert {name.split()[0] for name in names[:3]} == {"one", "two", "three"}
    assert {name.split()[0] for name in names[3:5]} == {"one", "two"}
    assert names[5:] == ["one 2", "one 3", "one 4"]


async def test_one_owner_has_so_many_at_once_over_all_workers(
    files: Files, database_url: str
) -> None:
    workers = [await JobQueue.open(database_url, ids.new_id()) for _ in range(3)]
    await queue_for(files.database, "one", FILM, *(f"one {at}" for at in range(5)))

    first = [await take_next(each) for each in workers]
    await queue_for(files.database, "two", FILM, "two 0")
    second = await take_next(workers[2])
    await workers[0].finish([first[0][0]])
    third = await take_next(workers[1])

    for each in workers:
        await each.close()
    assert [name for _, name in first] == ["one 0", "one 1", None]
    assert (second[1], third[1]) == ("two 0", "one 2")


async def take_next(worker: JobQueue) -> tuple[int, str | None]:
    job = await worker.take_next(FILM, after=0, per_owner=2)
    return (0, None) if job is None else (job.id, msgspec.json.decode(job.payload)["media_id"])


async def test_an_owner_at_the_most_goes_on_when_a_job_ends(
    files: Files, database_url: str
) -> None:
    names: list[str] = []

    async def note(job: TakenJob) -> None:
        names.append(msgspec.json.decode(job.payload)["media_id"])

    await queue_for(files.database, "one", FILM, *(f"one {at}" for at in range(6)))
    async with running_in_turn(database_url, FILM, note, concurrency=3, per_owner=1):
        await eventually(lambda: len(names) == 6)

    assert names == sorted(names)


async def test_a_film_that_was_queued_before_there_were_lanes_goes_to_its_own(
    files: Files, tmp_path: Path
) -> None:
    film = clip(tmp_path / "film", (64, 64), seconds=0.2, sound=None).read_bytes()
    media_id = await files.add(film, kind=MediaKind.VIDEO)

    await files.job().run(job_in(QUICK, media_id))

    assert await list_states(files.database) == [(FILM, "waiting")]
    assert await files.state(media_id) is MediaState.PROCESSING
    await files.job().run(job_in(FILM, media_id))
    assert await files.state(media_id) is MediaState.READY


async def test_a_picture_that_costs_too_much_for_its_lane_goes_to_the_long_one(
    files: Files, tmp_path: Path
) -> None:
    media_id = await files.add(long_gif(2000, (400, 400)))
    renderer = MediaRenderer(MediaLimits(quick_cpu_s=1))
    job = files.job(renderer=renderer)

    await job.run(job_in(QUICK, media_id))
    states = await list_states(files.database)
    await job.run(job_in(LONG, media_id))
    await renderer.close()

    assert states == [(LONG, "waiting")]
    assert await files.state(media_id) is MediaState.READY
    assert await files.database.fetchval("SELECT tries FROM media WHERE id = $1", media_id) == 0


def job_in(lane: str, media_id: str) -> TakenJob:
    return TakenJob(1, lane, msgspec.json.encode({"media_id": media_id}), 1)
