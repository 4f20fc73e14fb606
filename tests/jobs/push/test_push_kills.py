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

import msgspec

from examples.server import ROOT
from models.database import Database
from tests.jobs.fakes.apns import FakeApns
from tests.jobs.push.phones import MakePhone, is_settled
from tests.jobs.push.worker_process import Given
from tests.make import MakePerson, Person
from tests.waiting import eventually

PEOPLE, MESSAGES, KILLS, CONCURRENCY = 20, 300, 3, 8


@asynccontextmanager
async def pushing_process(given: Given) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.jobs.push.worker_process"),
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
        # Apple counts renewals of one that lives; the next one begins with a token of its own.
        apple.tokens.clear()
    async with pushing_process(given):
        await say(alice, chats, sent, MESSAGES - sent)
        await eventually(lambda: is_done(database), within_s=60)

    for place, each in enumerate(phones):
        assert list(each.screen.values()) == [str(MESSAGES - PEOPLE + place)]
    doubles = sum(count - 1 for count in Counter(one.id for one in apple.accepted).values())
    assert doubles <= KILLS * CONCURRENCY, doubles


async def is_done(database: Database) -> bool:
    """Nothing waits any more, nor comes back later."""
    return await is_settled(database) and not await database.fetchval(
        "SELECT count(*) FROM pgqueuer"
    )


async def more_pushes(apple: FakeApns, count: int) -> None:
    enough = len(apple.accepted) + count
    await eventually(lambda: len(apple.accepted) >= enough, within_s=15)


async def say(alice: Person, chats: list[str], sent: int, count: int) -> int:
    """So many messages, chat by chat; each says its number. How many there are now."""
    for number in range(sent, sent + count):
        await alice.say(chats[number % len(chats)], str(number))
    return sent + count
