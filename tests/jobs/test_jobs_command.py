"""`python -m parley jobs`: what a person sees of the queue, and can do about what was set aside."""

from collections.abc import AsyncIterator

import pytest_asyncio

from models.jobs.queue import TakenJob
from models.postgresql.database import Database
from parley.embedded import EmbeddedServers
from parley.settings import Settings
from tests.jobs.running import list_states, queue_jobs, run_command, running
from tests.waiting import eventually


@pytest_asyncio.fixture
async def failed_id(database: Database, database_url: str) -> AsyncIterator[int]:
    """A job of kind "broken" that was set aside; two of kind "idle" wait."""
    await database.execute("DELETE FROM jobs")

    async def break_down(job: TakenJob) -> None:
        raise KeyError("a secret")

    await queue_jobs(database, "broken", {"secret": 1})
    async with running(database_url, most_tries=1, broken=break_down):
        await eventually(lambda: has_failed(database))
    await queue_jobs(database, "idle", 1)
    await queue_jobs(database, "idle", 2, after_s=900)
    yield await database.fetchval("SELECT id FROM jobs WHERE state = 'failed'")
    await database.execute("DELETE FROM jobs")


async def has_failed(database: Database) -> bool:
    return await list_states(database) == [("broken", "failed")]


async def test_the_table_says_what_waits_and_what_went_wrong(
    failed_id: int, settings: Settings, s3: EmbeddedServers
) -> None:
    code, said = await run_command(settings, s3, "jobs")

    broken, idle = [line.split() for line in said.splitlines()[1:]]
    assert code == 0
    assert broken[:6] == ["broken", "0", "0", "0", "1", "-"]
    assert broken[6:9] == ["KeyError:", "Raised", "in"]
    assert idle[:5] == ["idle", "1", "1", "0", "0"]
    assert "secret" not in said


async def test_what_was_set_aside_is_listed_by_id(
    failed_id: int, settings: Settings, s3: EmbeddedServers
) -> None:
    _, said = await run_command(settings, s3, "jobs", "failed")

    assert said.splitlines()[1].split()[:3] == [str(failed_id), "broken", "1"]


async def test_a_job_that_was_set_aside_is_tried_again_by_id_or_by_kind(
    failed_id: int, database: Database, settings: Settings, s3: EmbeddedServers
) -> None:
    _, said = await run_command(settings, s3, "jobs", "retry", str(failed_id), "1")
    assert said == "1 job was queued again.\n"
    assert ("broken", "waiting") in await list_states(database)
    await database.execute("UPDATE jobs SET state = 'failed' WHERE id = $1", failed_id)

    _, said = await run_command(settings, s3, "jobs", "retry-all", "broken")

    assert said == "1 job was queued again.\n"


async def test_only_what_was_set_aside_is_dropped(
    failed_id: int, database: Database, settings: Settings, s3: EmbeddedServers
) -> None:
    all_ids = await database.fetch("SELECT id FROM jobs")

    _, said = await run_command(settings, s3, "jobs", "drop", *(str(row[0]) for row in all_ids))

    assert said == "1 job was dropped.\n"
    assert await list_states(database) == [("idle", "waiting")] * 2


async def test_what_is_not_understood_is_told_how_to_say(
    settings: Settings, s3: EmbeddedServers
) -> None:
    for words in (["retry"], ["drop", "x"], ["nothing"], ["list", "1"]):
        code, said = await run_command(settings, s3, "jobs", *words)
        assert (code, said) == (2, "")
