"""A worker that is killed again and again: every message is covered, and what is sent twice is the
same push.
"""

import asyncio
import os
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import msgspec

from examples.server import ROOT
from models.limits.limits import Limits
from models.postgresql.database import Database
from parley.settings import read_settings
from tests.conftest import SECRET
from tests.make import MakePerson, Person
from tests.push.fakes.apns import FakeApns
from tests.push.phones import MakePhone, is_settled
from tests.push.worker_process import Given
from tests.waiting import eventually
from workers.jobs.runner import POLL_S
from workers.push.claim_renewal import RENEWALS
from workers.push.retries import BUSY_S

PEOPLE, MESSAGES, KILLS, CONCURRENCY = 20, 300, 3, 8


@asynccontextmanager
async def pushing_process(given: Given) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.push.worker_process"),
        cwd=ROOT,
        env=dict(os.environ),
        stdin=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(given))
        process.stdin.close()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_every_message_is_covered_however_often_the_worker_dies(
    person: MakePerson,
    alice: Person,
    phone: MakePhone,
    apple: FakeApns,
    database: Database,
    database_url: str,
) -> None:
    people = [await person(f"Person {number}") for number in range(PEOPLE)]
    chats = [await alice.open_chat(each) for each in people]
    phones = [await phone(each) for each in people]
    given = Given(database_url, apple.url, apple.key, CONCURRENCY)
    chance, sent = random.Random(5), 0

    for _ in range(KILLS):
        async with pushing_process(given) as process:
            saying = asyncio.create_task(say(alice, chats, sent, MESSAGES // (KILLS + 1)))
            await more_pushes(apple, chance.randint(1, 2 * CONCURRENCY))
            process.kill()
            sent = await saying
    async with pushing_process(given):
        await say(alice, chats, sent, MESSAGES - sent)
        await eventually(lambda: is_done(database))

    for place, each in enumerate(phones):
        assert list(each.screen.values()) == [str(MESSAGES - PEOPLE + place)]
    doubles = sum(count - 1 for count in Counter(one.id for one in apple.accepted).values())
    assert doubles <= KILLS * CONCURRENCY, doubles


async def test_what_a_worker_had_at_hand_is_sent_soon_after_its_death(
    person: MakePerson,
    alice: Person,
    phone: MakePhone,
    apple: FakeApns,
    database: Database,
    database_url: str,
) -> None:
    """All of it together; and those of views that are at work go on being claimed."""
    people = [await person(f"Person {number}") for number in range(PEOPLE)]
    phones = [await phone(each) for each in people]
    given = Given(database_url, apple.url, apple.key, PEOPLE)
    async with pushing_process(given) as process:
        await alice.say(await alice.open_chat(people[0]), "Hello?")
        await phones[0].has(1)
        apple.hang()
        for each in people:
            await alice.say(await alice.open_chat(each), "Are you there?")
        await eventually(lambda: apple.at_once == PEOPLE)
        first_claimed_at = await database.fetchval("SELECT min(claimed_at) FROM push_states")
        await eventually(lambda: is_renewed(database, first_claimed_at))
        process.kill()
        await process.wait()
    apple.recover()

    async with pushing_process(given):
        await eventually(lambda: len(apple.accepted) == PEOPLE + 1)

    assert all(each.shown[-1] == ("Alice", "Are you there?") for each in phones)


async def is_renewed(database: Database, before: datetime) -> bool:
    """Whether all that is claimed was claimed, or claimed again, after `before`."""
    return bool(await database.fetchval("SELECT min(claimed_at) > $1 FROM push_states", before))


def test_leases_are_so_short_that_ten_seconds_are_enough() -> None:
    """A lease of 5 s for the view and for the job, a look each 2 s, and the sending."""
    assert Limits().push_claim_s == 5
    assert Limits().push_claim_s / RENEWALS == 2
    assert read_settings({"PARLEY_SECRET": SECRET}).job_silence_s == 5
    assert 5 + POLL_S + BUSY_S < 10


async def is_done(database: Database) -> bool:
    """Nothing waits any more, nor comes back later."""
    return await is_settled(database) and not await database.fetchval("SELECT count(*) FROM jobs")


async def more_pushes(apple: FakeApns, count: int) -> None:
    enough = len(apple.accepted) + count
    await eventually(lambda: len(apple.accepted) >= enough)


async def say(alice: Person, chats: list[str], sent: int, count: int) -> int:
    """So many messages, chat by chat; each says its number. How many there are now."""
    for number in range(sent, sent + count):
        await alice.say(chats[number % len(chats)], str(number))
    return sent + count
