"""A worker that pushes to a fake APNs, in the test's loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import pytest_asyncio

from models import ids
from models.jobs.queue import JobQueue
from models.limits.limits import Limits
from models.postgresql.database import Database
from tests.jobs.running import PATIENT_S
from tests.make import Person
from tests.push.fakes.apns import KEY_ID, TEAM_ID, FakeApns
from tests.push.phones import LIMITS, Gate, MakePhone, Phone, make_phone
from workers.jobs.runner import Jobs
from workers.push.check import PushCheck
from workers.push.providers.apns import Apns
from workers.push.providers.pushes import Provider, ShowingProvider
from workers.push.registration import PushTies, register_push

# Short, so that tests need not wait: for a job whose time was moved, and for the check of a batch.
POLL_S = 0.2
CHECK_EVERY_S = 0.1

# `async with working():` a worker runs.
Working = Callable[..., AbstractAsyncContextManager[None]]


@pytest_asyncio.fixture
async def apple(database: Database) -> AsyncIterator[FakeApns]:
    await database.execute("DELETE FROM jobs")
    fake = FakeApns()
    await fake.start()
    yield fake
    await fake.close()
    await database.execute("DELETE FROM jobs")


@pytest.fixture
def working(database_url: str, database: Database, apple: FakeApns) -> Working:
    @asynccontextmanager
    async def work(
        *more: Provider,
        through: Gate | None = None,
        deadline_s: float = 60.0,
        limits: Limits = LIMITS,
        ties: PushTies | None = None,
    ) -> AsyncIterator[None]:
        provider: ShowingProvider = Apns(
            key=apple.key,
            key_id=KEY_ID,
            team_id=TEAM_ID,
            url=apple.url,
            sandbox_url=apple.url,
            deadline_s=deadline_s,
        )
        if through is not None:
            provider = through.before(provider)
        queue = await JobQueue.open(database_url, ids.new_id())
        jobs = Jobs(queue, silent_s=PATIENT_S, poll_s=POLL_S)
        loops = register_push(jobs, database, [provider, *more], limits, ties=ties)
        check = PushCheck(database, limits, every_s=CHECK_EVERY_S)
        jobs.start()
        loops.start()
        check.start()
        try:
            yield
        finally:
            await check.close()
            await jobs.close(within_s=1)
            await loops.close()
            await queue.close()
            await asyncio.gather(*(each.close() for each in (provider, *more)))

    return work


@pytest_asyncio.fixture
async def worker(working: Working) -> AsyncIterator[None]:
    async with working():
        yield


@pytest.fixture
def phone(database: Database, apple: FakeApns) -> MakePhone:
    """`await phone(bob)`: the person's device can be pushed to."""

    async def make(person: Person) -> Phone:
        return await make_phone(database, apple, person)

    return make
