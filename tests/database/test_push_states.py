"""Push states: at most one job waits for a device and channel, and none is lost."""

import asyncio
import random
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from models import ids
from models.limits.limits import Limits
from models.postgresql.database import Database
from models.push.addresses import FcmAddress, PushEndpointKind
from models.push.claims import claim_pushes, renew_claims
from models.push.endpoints import set_endpoint
from models.push.results import Later, Result, postpone, write_results
from models.push.states import PushKey, Want, update_pushes, want_pushes
from tests.make import Person

LIMITS = Limits(push_claim_s=30)
CHANNEL = "c" * 32
JOBS = "SELECT count(*) FROM jobs"


@pytest_asyncio.fixture
async def key(database: Database, bob: Person) -> PushKey:
    """Bob's device's view of a channel."""
    await database.execute("DELETE FROM jobs")
    address = FcmAddress("a token")
    await set_endpoint(database, bob.user.id, bob.inner_device_id, address, now=datetime.now(UTC))
    return PushKey(bob.user.id, bob.inner_device_id, CHANNEL)


async def want(database: Database, key: PushKey, seq: int) -> int:
    return await want_pushes(database, [Want(key.user_id, CHANNEL, seq)], limits=LIMITS)


async def claim(database: Database, key: PushKey) -> bool:
    return key in await claim_pushes(database, [key], limits=LIMITS)


async def test_a_job_that_waits_is_not_queued_again(database: Database, key: PushKey) -> None:
    assert await want(database, key, 1) == 1
    assert await want(database, key, 1) == await want(database, key, 2) == 0

    assert await database.fetchval(JOBS) == 1


async def test_a_job_that_has_begun_does_not_count_as_waiting(
    database: Database, key: PushKey
) -> None:
    await want(database, key, 1)
    assert await claim(database, key)

    assert await want(database, key, 2) == 1


async def test_what_a_job_has_seen_is_not_queued_again(database: Database, key: PushKey) -> None:
    """A relay that dispatches again, and the check, want what was wanted before."""
    await want(database, key, 1)
    await claim(database, key)
    await write_results(database, [Result(key=key, seen_seq=5, shown_seq=4)])

    assert await want(database, key, 5) == 0
    assert await want(database, key, 6) == 1


async def test_one_job_at_a_time_has_a_view(database: Database, key: PushKey) -> None:
    await want(database, key, 1)
    assert await claim(database, key)
    assert not await claim(database, key)

    await write_results(database, [Result(key=key)])

    assert await claim(database, key)


async def test_a_job_that_died_lets_go(database: Database, key: PushKey) -> None:
    await want(database, key, 1)
    await claim(database, key)
    await database.execute("UPDATE push_states SET claimed_at = now() - interval '31 s'")

    assert await claim(database, key)


async def test_a_job_that_renews_its_claim_keeps_the_view(database: Database, key: PushKey) -> None:
    """One that has let go has nothing to renew."""
    await want(database, key, 1)
    await claim(database, key)
    await database.execute("UPDATE push_states SET claimed_at = now() - interval '31 s'")

    await renew_claims(database, [key])

    assert not await claim(database, key)
    await write_results(database, [Result(key=key)])
    await renew_claims(database, [key])
    assert await claim(database, key)


async def test_a_job_that_never_came_is_replaced(database: Database, key: PushKey) -> None:
    await want(database, key, 1)
    await database.execute("UPDATE push_states SET due_at = now() - interval '61 min'")

    assert await want(database, key, 2) == 1


async def test_what_is_not_shown_needs_no_update(database: Database, key: PushKey) -> None:
    await want(database, key, 1)
    await claim(database, key)
    place = (key.user_id, CHANNEL)
    assert await update_pushes(database, [place]) == 1, "a job may be about to show it"
    await claim(database, key)
    await write_results(database, [Result(key=key, shown_seq=0)])

    assert await update_pushes(database, [place]) == 0


async def test_a_job_that_waits_for_long_does_not_keep_an_update_waiting(
    database: Database, key: PushKey
) -> None:
    await want(database, key, 1)
    await claim(database, key)
    await write_results(database, [Result(key=key, seen_seq=1, shown_seq=1)])
    await want(database, key, 2)
    await claim(database, key)
    later = Later(key=key, kind=PushEndpointKind.FCM, after_s=3600, queue=True)
    assert await postpone(database, [later]) == [False]

    assert await update_pushes(database, [(key.user_id, CHANNEL)]) == 1


async def test_who_comes_back_leaves_it_to_a_job_that_waits(
    database: Database, key: PushKey
) -> None:
    later = Later(key=key, kind=PushEndpointKind.FCM, after_s=5, failed=True)
    await want(database, key, 1)
    await claim(database, key)
    assert await postpone(database, [later]) == [True]
    await claim(database, key)
    assert await want(database, key, 2) == 1

    assert await postpone(database, [later]) == [False]


async def test_a_view_that_is_gone_needs_nobody(database: Database, key: PushKey) -> None:
    gone = PushKey(key.user_id, key.device_id, "d" * 32)
    later = Later(key=gone, kind=PushEndpointKind.FCM, after_s=5, claimed=False)

    assert await postpone(database, [later]) == [False]


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_message_is_without_a_job_that_reads_after_it(
    seed: int, database: Database, other_database: Database, key: PushKey
) -> None:
    """Two processes want and two claim, all the time, many channels in any order: whatever was
    wanted last has a job waiting, or a claim after it.
    """
    chance = random.Random(seed)
    channels = [ids.new_id() for _ in range(8)]
    said = dict.fromkeys(channels, 0)
    seen = dict.fromkeys(channels, 0)

    async def say(database: Database) -> None:
        for _ in range(30):
            chosen = chance.sample(channels, 4)
            for channel_id in chosen:
                said[channel_id] += 1
            wants = [Want(key.user_id, each, said[each]) for each in chosen]
            await want_pushes(database, wants, limits=LIMITS)

    async def work(database: Database) -> None:
        for _ in range(30):
            chosen = chance.sample(channels, 4)
            keys = [PushKey(key.user_id, key.device_id, each) for each in chosen]
            for found in await claim_pushes(database, keys, limits=LIMITS):
                seen[found.channel_id] = said[found.channel_id]
                await write_results(database, [Result(key=found, seen_seq=said[found.channel_id])])

    await asyncio.gather(*(each(d) for d in (database, other_database) for each in (say, work)))

    waiting = await database.fetch("SELECT channel_id FROM push_states WHERE due_at IS NOT NULL")
    covered = {row[0] for row in waiting} | {each for each in channels if seen[each] >= said[each]}
    assert covered == set(channels)
