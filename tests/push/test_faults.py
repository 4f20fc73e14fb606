"""Providers that fail, hang or know an endpoint no more."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from models.background import Loops
from models.jobs.lists import list_failed_jobs
from models.postgresql.database import Database
from models.push.addresses import FcmAddress
from models.push.endpoints import set_endpoint
from parley.parts import Parts
from parley.settings import Settings
from parley.worker.process import open_worker
from tests.groups import make_group
from tests.make import AnotherDevice, Person
from tests.push.conftest import Working
from tests.push.fakes.apns import KEY_ID, TEAM_ID
from tests.push.fakes.fcm import FakeFcm
from tests.push.fakes.http2 import Reply
from tests.push.phones import LIMITS, MakePhone, is_settled
from tests.waiting import eventually
from workers.push.providers.fcm import Fcm
from workers.push.providers.settings import ProviderSettings

INBOX = "subscription { inbox { __typename } }"
ENDPOINTS = "SELECT count(*) FROM push_endpoints"
STATES = "SELECT count(*) FROM push_states"


async def count(database: Database, query: str) -> int:
    found: int = await database.fetchval(query)
    return found


@pytest.mark.usefixtures("worker")
async def test_an_endpoint_that_is_gone_is_forgotten_at_once(
    alice: Person, bob: Person, chat: str, phone: MakePhone, database: Database
) -> None:
    bobs = await phone(bob)
    bobs.apple.unregistered.add(bobs.token)

    await alice.say(chat, "Hello?")
    await eventually(lambda: is_settled(database))

    assert await count(database, ENDPOINTS) == await count(database, STATES) == 0
    assert await count(database, "SELECT count(*) FROM push_addresses") == 0
    asked = bobs.apple.asked
    await alice.say(chat, "Hello?")
    await eventually(lambda: is_settled(database))
    assert bobs.apple.asked == asked


@pytest.mark.usefixtures("worker")
async def test_a_provider_that_fails_is_asked_again_with_the_newest(
    alice: Person, bob: Person, chat: str, phone: MakePhone, database: Database
) -> None:
    bobs = await phone(bob)
    bobs.apple.answer_instead(Reply(500))
    await alice.say(chat, "1")
    await eventually(lambda: bobs.apple.asked > 0)
    await alice.say(chat, "2")
    await eventually(lambda: database.fetchval("SELECT bool_and(failures > 0) FROM push_states"))
    assert await count(database, "SELECT count(*) FROM jobs") == 1

    bobs.apple.recover()

    assert await bobs.has(1) == [("Alice", "2")]
    await eventually(lambda: is_settled(database))
    assert await count(database, "SELECT max(failures) FROM push_states") == 0
    assert await count(database, "SELECT count(*) FROM jobs") == 0


@pytest.mark.usefixtures("worker")
async def test_what_a_provider_rejects_is_set_aside_with_what_it_said(
    alice: Person, bob: Person, chat: str, phone: MakePhone, database: Database
) -> None:
    bobs = await phone(bob)
    bobs.apple.answer_instead(Reply(400, {}, b'{"reason": "BadTopic"}'), times=1)

    await alice.say(chat, "The secret")
    await eventually(lambda: list_failed_jobs(database, most=10))

    [failed] = await list_failed_jobs(database, most=10)
    assert failed.kind == "push_apns"
    assert "BadTopic" in failed.fault.sentence
    await alice.say(chat, "The next one")
    assert await bobs.has(1) == [("Alice", "The next one")]


async def test_a_provider_that_hangs_is_left_and_asked_again(
    alice: Person, bob: Person, chat: str, phone: MakePhone, working: Working
) -> None:
    bobs = await phone(bob)
    bobs.apple.hang()
    async with working(deadline_s=0.3):
        await alice.say(chat, "Hello?")
        await eventually(lambda: bobs.apple.asked)
        bobs.apple.recover()

        assert await bobs.has(1) == [("Alice", "Hello?")]


@pytest_asyncio.fixture
async def google() -> AsyncIterator[FakeFcm]:
    fake = FakeFcm()
    await fake.start()
    yield fake
    await fake.close()


async def test_a_provider_that_hangs_holds_up_no_other(
    alice: Person,
    bob: Person,
    carol: Person,
    chat: str,
    phone: MakePhone,
    google: FakeFcm,
    working: Working,
    database: Database,
) -> None:
    """FCM takes what it is sent and says nothing; there is no more of it than it may have."""
    bobs = await phone(bob)
    google.hang()
    fcm = Fcm(service_account=google.service_account, url=google.url, concurrency=2)
    await give_android(database, carol)
    chats = [await make_group(alice, carol) for _ in range(6)]
    async with working(fcm):
        for each in chats:
            await alice.say(each, "Hello?")
        await eventually(lambda: google.at_once == 2)

        await alice.say(chat, "Hello?")

        assert await bobs.has(1) == [("Alice", "Hello?")]
        assert (google.most_at_once, google.opened) == (2, 2)
        google.cut()
        google.recover()
        await eventually(lambda: len(google.accepted) == 6)


async def give_android(database: Database, person: Person) -> None:
    address = FcmAddress("a-token:of-an-android-phone")
    await set_endpoint(
        database, person.user.id, person.inner_device_id, address, now=datetime.now(UTC)
    )


async def test_the_streams_of_a_user_hear_that_an_endpoint_is_gone(
    alice: Person,
    bob: Person,
    chat: str,
    phone: MakePhone,
    another_device: AnotherDevice,
    settings: Settings,
) -> None:
    """The worker tells the nodes; it is the one that ships."""
    bobs, tablet = await phone(bob), await another_device(bob)
    bobs.apple.unregistered.add(bobs.token)
    keys = ProviderSettings(
        apns_key=bobs.apple.key, apns_key_id=KEY_ID, apns_team_id=TEAM_ID, apns_url=bobs.apple.url
    )
    async with Parts() as parts, tablet.follow(INBOX) as inbox:
        await open_worker(replace(settings, providers=keys, limits=LIMITS), Loops(), parts)
        assert (await inbox.event())["__typename"] == "InboxReady"

        await alice.say(chat, "Hello?")

        assert (await inbox.event())["__typename"] == "MessageAdded"
        assert (await inbox.event())["__typename"] == "ViewerUpdated"
