"""A process that fails while it starts leaves nothing open: no task, no connection, no signal
handler.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from models.background import CannotGoOn
from models.postgresql.database import Database
from parley.app import build_app
from parley.configuration.variables import SettingsError
from parley.ports import LOOPBACK, free_port, listening_socket
from parley.resources import open_process
from parley.settings import Settings
from parley.worker.process import run_worker
from tests.serving import serve
from tests.waiting import eventually, steps

Begin = Callable[[Settings], Coroutine[Any, Any, None]]


async def api(settings: Settings) -> None:
    app = build_app(settings)
    async with app._lifespan(app._other):
        # While PostgreSQL is away it waits, and says later what was wrong.
        failure = await eventually(lambda: app.failure)
    assert failure is not None
    raise failure


async def process(settings: Settings) -> None:
    async with open_process(settings):
        await asyncio.Event().wait()


@pytest.fixture
def connections(database: Database) -> Callable[[], Coroutine[Any, Any, int]]:
    """How many connections to PostgreSQL there are, but for those of the tests themselves."""

    async def count() -> int:
        found: int = await database.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        )
        return found

    return count


def running() -> set[str]:
    """Return the tasks by their names."""
    return {task.get_name() for task in asyncio.all_tasks()}


async def all_ended(before: set["asyncio.Task[Any]"]) -> None:
    """Wait until what was begun since then has ended: a task that was left open does not. What the
    nodes of other tests begin meanwhile does by itself.
    """
    begun = asyncio.all_tasks() - before
    await eventually(lambda: all(task.done() for task in begun))


async def worker(settings: Settings) -> None:
    """A worker's port comes after those of the API processes."""
    assert settings.metrics_port is not None
    await run_worker(replace(settings, metrics_port=settings.metrics_port - settings.api_processes))


@pytest.mark.parametrize("begin", [api, worker])
async def test_when_the_port_for_metrics_is_taken(
    begin: Begin, settings: Settings, connections: Callable[[], Coroutine[Any, Any, int]]
) -> None:
    """Found last, when everything else is open."""
    handler = signal.getsignal(signal.SIGTERM)
    before, open_before = asyncio.all_tasks(), await connections()

    with listening_socket(LOOPBACK, 0, shared=False) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match="in use"):
            async with asyncio.timeout(60):
                await begin(replace(settings, metrics_port=port))

    await all_ended(before)

    async def are_closed() -> bool:
        return await connections() <= open_before

    await eventually(are_closed)
    assert signal.getsignal(signal.SIGTERM) == handler


@pytest.mark.parametrize("begin", [process, run_worker])
@pytest.mark.parametrize("turns", [1, 10, 100])
async def test_a_start_that_is_given_up_while_postgresql_is_away(
    begin: Begin, turns: int, settings: Settings
) -> None:
    before = asyncio.all_tasks()
    nowhere = f"postgresql://nobody@{LOOPBACK}:{free_port()}/none"

    starting = asyncio.create_task(begin(replace(settings, database_url=nowhere)))
    await steps(turns)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)

    await all_ended(before)


async def test_a_worker_ends_at_sigterm_and_leaves_nothing_open(settings: Settings) -> None:
    before = asyncio.all_tasks()
    working = asyncio.create_task(run_worker(settings))
    await eventually(lambda: "jobs_take" in running())

    os.kill(os.getpid(), signal.SIGTERM)

    async with asyncio.timeout(60):
        await working
    await all_ended(before)


async def test_a_worker_whose_loop_cannot_go_on_ends_to_be_started_again(
    settings: Settings,
) -> None:
    working = asyncio.create_task(run_worker(settings))
    await eventually(lambda: "sweep" in running())
    (loop,) = (task for task in asyncio.all_tasks() if task.get_name() == "sweep")

    loop.cancel()

    async with asyncio.timeout(60):
        with pytest.raises(CannotGoOn):
            await working


async def test_metrics_are_served_until_the_process_ends(settings: Settings) -> None:
    port = free_port()
    for _ in range(2):
        async with serve(replace(settings, metrics_port=port)) as server:
            shown = await server.http.get(f"http://{LOOPBACK}:{port}/metrics")
            assert "parley_background_loops_ended 0.0" in shown.text
