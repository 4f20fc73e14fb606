"""The media job under faults: killed workers, storage that is away, and two that run at once."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from models.log.committer import Committer
from models.media.media import MediaState
from models.media.processing import UNUSABLE
from parley.embedded import EmbeddedServers
from parley.settings import Settings
from tests.faults.proxy import Link, proxy
from tests.jobs.running import list_states, queue_jobs, real_worker, running
from tests.make import Person
from tests.media.jobbing import changes_of, is_done
from tests.media.making import Files, picture, render, taken
from tests.waiting import eventually


async def test_a_file_that_has_killed_three_workers_is_given_up(files: Files) -> None:
    media_id = await files.add(picture())
    await files.database.execute("UPDATE media SET tries = 3 WHERE id = $1", media_id)

    await render(files.job(), media_id)

    media = await files.get(media_id)
    assert (media.state, media.failure) == (MediaState.FAILED, UNUSABLE)


async def test_a_job_that_is_set_aside_fails_its_media_and_may_be_tried_again(files: Files) -> None:
    media_id = await files.add(picture())

    await files.job().give_up(taken(media_id=media_id))
    assert await files.state(media_id) is MediaState.FAILED
    await render(files.job(), media_id)

    assert await files.state(media_id) is MediaState.READY


async def test_a_job_that_runs_twice_at_once_makes_one_set(files: Files) -> None:
    media_id = await files.add(picture())

    await asyncio.gather(*(render(files.job(), media_id) for _ in range(2)))

    media = await files.get(media_id)
    assert media.state is MediaState.READY
    assert await files.keys() == sorted(each.key for each in media.renditions)


class Kills:
    """Kills the worker at one request of each file: before storage has it, or before the worker
    hears of it.
    """

    STEPS = (
        (b"GET", b"/original", "after"),
        (b"PUT", b"/thumbnail", "before"),
        (b"PUT", b"/preview", "after"),
        (b"POST", b"<Key>", "before"),
        (b"POST", b"<Key>", "after"),
    )

    def __init__(self, content_ids: list[str]) -> None:
        self.left = dict(zip([each.encode() for each in content_ids], self.STEPS, strict=True))
        self.kill: Callable[[], None] = lambda: None

    def judge(self, link: Link, passing: bytes) -> int | None:
        """Kill the worker at its next step. What deletes names its key in its body, which may
        follow on its own.
        """
        for content_id, (method, mark, when) in self.left.items():
            heard = passing if method == b"POST" else passing.partition(b"\r\n")[0]
            marked = content_id in heard and mark in heard
            marked &= method == b"POST" or heard.startswith(method)
            if marked:
                del self.left[content_id]
                self.kill()
                if when == "before":
                    return 0
                link.silent = True
                return None
        return None


async def test_a_worker_killed_at_any_step_leaves_one_set_of_renditions_and_tells_once(
    files: Files,
    committer: Committer,
    alice: Person,
    chat: str,
    settings: Settings,
    s3: EmbeddedServers,
    tmp_path: Path,
) -> None:
    media_ids = [await files.add(picture(n)) for n in range(len(Kills.STEPS))]
    await files.send(committer, alice, chat, *media_ids)
    kills = Kills([await files.content_id(media_id) for media_id in media_ids])
    await queue_jobs(files.database, "media_render", *({"media_id": each} for each in media_ids))

    async with (
        proxy(int(s3.s3_endpoint_url.rsplit(":", 1)[1])) as between,
        real_worker(settings, s3, tmp_path, s3_port=between.port) as worker,
    ):
        between.to_server = kills.judge
        kills.kill = lambda: worker.end(signal.SIGKILL)
        # The worker is started again for each step.
        await eventually(lambda: all_ready(files, media_ids), within_s=300)
        await eventually(lambda: has_no_renders(files))

    assert not kills.left
    renditions = [each.key for one in media_ids for each in (await files.get(one)).renditions]
    assert await files.keys() == sorted(renditions)
    assert len(renditions) == 2 * len(media_ids)
    assert await changes_of(files) == [(4, seq) for seq in range(2, 2 + len(media_ids))]


async def all_ready(files: Files, media_ids: list[str]) -> bool:
    return [await files.state(each) for each in media_ids] == [MediaState.READY] * len(media_ids)


async def has_no_renders(files: Files) -> bool:
    return "media_render" not in [kind for kind, _ in await list_states(files.database)]


async def test_while_storage_is_away_jobs_wait_and_then_finish(
    files: Files, database_url: str, s3: EmbeddedServers
) -> None:
    media_id = await files.add(picture(), queued=True)
    s3.kill("s3")
    try:
        async with running(database_url, most_tries=1, media_render=files.job().run):
            await eventually(lambda: was_put_off(files))
            s3.start("s3")
            await eventually(lambda: is_done(files, media_id))
    finally:
        if not s3.part("s3").running:
            s3.start("s3")


async def was_put_off(files: Files) -> bool:
    row = await files.database.fetchrow("SELECT state, tries, fault FROM jobs")
    return (
        row is not None and row[0] == "waiting" and row[1] == 0 and "Unavailable" in (row[2] or "")
    )
