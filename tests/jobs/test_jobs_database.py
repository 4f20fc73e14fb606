"""JOBS_DATABASE_URL: what processes and commands make of it when they start."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from models.jobs.checking import is_there
from parley.embedded import EmbeddedServers
from parley.opening import require_database
from parley.ports import free_port
from parley.revisions import newest_revision
from parley.settings import Settings, SettingsError
from tests.jobs.apart import Apart, make_database
from tests.jobs.running import queue_jobs, run_command


@pytest_asyncio.fixture
async def with_new(database_url: str, settings: Settings) -> AsyncIterator[Settings]:
    """Settings that name a database which no migration has seen."""
    yield replace(settings, jobs_database_url=await make_database(database_url, "parley_jobs_new"))


async def test_migrate_migrates_both_and_who_starts_before_is_told(
    with_new: Settings, embedded: EmbeddedServers
) -> None:
    with pytest.raises(SettingsError, match=r"JOBS_DATABASE_URL .* `python -m parley migrate`"):
        await require_database(with_new)

    code, _ = await run_command(with_new, embedded, "migrate")

    assert code == 0
    assert with_new.jobs_database_url is not None
    assert await is_there(with_new.jobs_database_url, revision=newest_revision())
    await require_database(with_new)


async def test_who_is_refused_by_the_database_of_jobs_is_told(settings: Settings) -> None:
    refused = f"{settings.database_url}_that_is_not_there"

    with pytest.raises(SettingsError, match="JOBS_DATABASE_URL cannot be used"):
        await require_database(replace(settings, jobs_database_url=refused))


async def test_a_process_starts_while_the_database_of_jobs_is_away(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    away = f"postgresql://parley@127.0.0.1:{free_port()}/parley"

    await require_database(replace(settings, jobs_database_url=away))

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "JOBS_DATABASE_URL is away" in caplog.text


async def test_the_table_of_jobs_is_that_of_the_queue(
    ground: Apart, embedded: EmbeddedServers
) -> None:
    await queue_jobs(ground.database, "of another queue", 1)
    await queue_jobs(ground.queue, "idle", 1)

    _, said = await run_command(ground.settings, embedded, "jobs")

    assert [line.split()[0] for line in said.splitlines()[1:]] == ["idle"]
