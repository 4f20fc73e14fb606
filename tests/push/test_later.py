"""Providers that say "later", or nothing: when they are asked again, and by whom."""

import secrets
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from models.jobs.lists import list_failed_jobs
from models.postgresql.database import Database
from models.push.addresses import FcmAddress
from models.push.endpoints import set_endpoint
from models.push.gates import Closed, close_gates
from tests.changes import DELETE
from tests.groups import make_group
from tests.make import MakePerson, Person
from tests.push.conftest import Working
from tests.push.fakes.apns import FakeApns
from tests.push.fakes.fcm import FakeFcm, failure
from tests.push.fakes.http2 import Http2Server, Reply
from tests.push.fakes.web_push import FakeWebPush
from tests.push.phones import LIMITS, MakePhone, is_settled
from tests.push.screens import browser_of, browser_screen
from tests.waiting import eventually
from workers.push.gates import Gates, Hold, Way
from workers.push.providers.fcm import Fcm

LATER_S = 1
DOWN = Reply(500)
MakePeople = Callable[[int], Awaitable[list[Person]]]


@pytest_asyncio.fixture
async def google() -> AsyncIterator[FakeFcm]:
    fake = FakeFcm()
    await fake.start()
    yield fake
    await fake.close()


@pytest_asyncio.fixture
async def services(apple: FakeApns) -> AsyncIterator[list[FakeWebPush]]:
    """Two push services."""
    fakes = [FakeWebPush(), FakeWebPush()]
    for fake in fakes:
        await fake.start()
    yield fakes
    for fake in fakes:
        await fake.close()


@pytest.fixture
def people(person: MakePerson, database: Database) -> MakePeople:
    """`await people(3)`: so many, each with an Android phone."""

    async def make(count: int) -> list[Person]:
        made = [await person(f"Person {number}") for number in range(count)]
        for each in made:
            address = FcmAddress("android:" + secrets.token_hex(16))
            await set_endpoint(
                database, each.user.id, each.inner_device_id, address, now=datetime.now(UTC)
            )
        return made

    return make


def fcm(google: FakeFcm) -> Fcm:
    return Fcm(service_account=google.service_account, url=google.url)


async def greet(alice: Person, people: list[Person]) -> None:
    for each in people:
        await alice.say(await alice.open_chat(each), "Hello?")


def assert_left_alone(fake: Http2Server, first: int, seconds: float) -> None:
    """After its request number `first`, it was not asked again before so many seconds."""
    assert fake.asked_at[first] - fake.asked_at[first - 1] >= seconds


@pytest.mark.parametrize("status", [429, 503])
async def test_a_project_that_says_later_is_left_alone_by_all_workers_and_for_all_devices(
    status: int,
    alice: Person,
    people: MakePeople,
    google: FakeFcm,
    working: Working,
    database: Database,
) -> None:
    first, *others = await people(12)
    google.answer_instead(failure(status, "", **{"retry-after": str(LATER_S)}), times=1)
    async with working(fcm(google)), working(fcm(google)):
        await greet(alice, [first])
        await eventually(lambda: google.asked >= 1)
        await eventually(lambda: database.fetchval("SELECT count(*) FROM push_parked"))

        await greet(alice, others)
        await eventually(lambda: len(google.accepted) == 12)

    assert_left_alone(google, 1, LATER_S)
    assert google.asked == 13


async def test_what_is_to_be_taken_back_waits_as_well(
    alice: Person, people: MakePeople, google: FakeFcm, working: Working, database: Database
) -> None:
    """Whatever else happens in the channel, and to others who are shown something."""
    [bob] = await people(1)
    async with working(fcm(google)):
        chat = await alice.open_chat(bob)
        said = await alice.say(chat, "1")
        await eventually(lambda: len(google.accepted) == 1)
        google.answer_instead(failure(429, "", **{"retry-after": str(LATER_S)}), times=1)
        await alice.say(chat, "2")
        await eventually(lambda: database.fetchval("SELECT count(*) FROM push_parked"))

        await alice.mutate(DELETE, id=said["id"])
        await bob.acknowledge(chat, read=2)
        await eventually(lambda: len(google.accepted) == 2)

    assert google.accepted[1].message["data"]["action"] == "clear"
    assert_left_alone(google, 2, LATER_S)


async def test_a_push_service_that_says_later_holds_up_no_other(
    alice: Person,
    bob: Person,
    carol: Person,
    services: list[FakeWebPush],
    working: Working,
    database: Database,
) -> None:
    angry, well = services
    angry.answer_instead(Reply(429, {"retry-after": str(LATER_S)}), times=1)
    screen = browser_screen(angry)
    address, list_came = browser_of(well)
    await screen.give(database, bob)
    await set_endpoint(
        database, carol.user.id, carol.inner_device_id, address, now=datetime.now(UTC)
    )
    async with working(*screen.providers):
        await greet(alice, [bob])
        await eventually(lambda: angry.asked >= 1)
        await greet(alice, [carol])
        await eventually(list_came)
        await eventually(screen.list_came)

    assert_left_alone(angry, 1, LATER_S)


async def test_too_many_pushes_to_one_device_of_apples_holds_up_no_other_device(
    alice: Person, bob: Person, carol: Person, phone: MakePhone, working: Working
) -> None:
    bobs, carols = await phone(bob), await phone(carol)
    group = await make_group(alice, bob)
    reason = b'{"reason": "TooManyRequests"}'
    bobs.apple.answer_instead(Reply(429, {"retry-after": str(LATER_S)}, reason), times=1)
    async with working():
        await greet(alice, [bob])
        await eventually(lambda: bobs.apple.asked >= 1)
        await greet(alice, [carol])
        await carols.has(1)

        await alice.say(group, "Another channel of the same device")
        await bobs.has(2)

    # Carol's came between.
    assert bobs.apple.asked_at[2] - bobs.apple.asked_at[0] >= LATER_S


@pytest.mark.parametrize(
    ("status", "reason"), [(503, "ServiceUnavailable"), (429, "TooManyProviderTokenUpdates")]
)
async def test_what_apple_says_to_all_is_kept_by_all(
    status: int,
    reason: str,
    alice: Person,
    bob: Person,
    carol: Person,
    phone: MakePhone,
    working: Working,
    database: Database,
) -> None:
    bobs, carols = await phone(bob), await phone(carol)
    said = f'{{"reason": "{reason}"}}'.encode()
    bobs.apple.answer_instead(Reply(status, {"retry-after": str(LATER_S)}, said), times=1)
    async with working(), working():
        await greet(alice, [bob])
        await eventually(lambda: database.fetchval("SELECT count(*) FROM push_parked"))
        await greet(alice, [carol])
        await carols.has(1)
        await bobs.has(1)

    assert_left_alone(bobs.apple, 1, LATER_S)


@pytest.mark.parametrize("hours", [0, 9])
async def test_a_provider_that_is_down_is_probed_and_gets_all_that_waits_when_it_is_back(
    hours: int,
    alice: Person,
    people: MakePeople,
    google: FakeFcm,
    working: Working,
    database: Database,
) -> None:
    everybody = await people(30)
    google.answer_instead(DOWN)
    async with working(fcm(google)), working(fcm(google)):
        await greet(alice, everybody)
        # Those on their way when it was found to be down come back once.
        await eventually(lambda: database.fetchval("SELECT count(*) >= 28 FROM push_parked"))
        before = google.asked
        await eventually(lambda: google.asked >= before + 5)
        await database.execute(
            "UPDATE push_gates SET since = since - make_interval(hours => $1)", hours
        )
        gaps = [b - a for a, b in zip(google.asked_at, google.asked_at[1:], strict=False)]
        # In the middle: one may be seen late, and then the next one seems to come early.
        assert statistics.mean(gaps[before:]) >= LIMITS.push_probe_s * 0.7, gaps

        google.recover()

        await eventually(lambda: len(google.accepted) == 30)
        await eventually(lambda: is_settled(database))
    assert len({each.token for each in google.accepted}) == 30


async def test_what_is_said_while_a_provider_is_down_asks_it_no_more_often(
    alice: Person, people: MakePeople, google: FakeFcm, working: Working, database: Database
) -> None:
    everybody = await people(4)
    google.answer_instead(DOWN)
    async with working(fcm(google)):
        await greet(alice, everybody)
        await eventually(lambda: database.fetchval("SELECT count(*) FROM push_parked"))
        await greet(alice, everybody * 5)
        google.recover()
        await eventually(lambda: len(google.accepted) == 4)
        await eventually(lambda: is_settled(database))

    assert [each.message["data"]["badge"] for each in google.accepted] == ["6"] * 4


async def test_a_probe_is_one_push_however_many_ask_at_once(
    apple: FakeApns, database: Database
) -> None:
    await close_gates(database, [Closed("FCM a-project", 0)])
    gates = Gates(database, LIMITS)

    found = await gates.pass_all([Way("FCM a-project", f"FCM device {n}") for n in range(20)])

    assert [isinstance(each, Hold) for each in found] == [False] + [True] * 19


async def test_a_push_service_that_strangers_name_is_given_up_after_hours(
    alice: Person,
    bob: Person,
    services: list[FakeWebPush],
    working: Working,
    database: Database,
) -> None:
    service = services[0]
    service.answer_instead(DOWN)
    screen = browser_screen(service)
    await screen.give(database, bob)
    await close_gates(database, [Closed(f"WEB_PUSH 127.0.0.1:{service.port}", 1)])
    await database.execute("UPDATE push_gates SET since = since - interval '9 h'")
    async with working(*screen.providers):
        await greet(alice, [bob])
        [failed] = await eventually(lambda: list_failed_jobs(database, most=10))

    assert (failed.kind, failed.fault.sentence) == ("push_web_push", "WEB_PUSH said: 500")
