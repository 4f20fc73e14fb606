"""A secret that is changed, twice, under sessions that go on."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio
from redis.asyncio import Redis

from parley.settings import Settings
from subscriptions.secret_watch import KEY
from tests.api.users.test_sign_in import ask, enter, is_let_in, refresh
from tests.client import ApiClient, added, until
from tests.conftest import SECRET
from tests.make import Person
from tests.serving import Server, serve

SECOND, THIRD = (
    "the second secret of the tests, of no use",
    "the third secret of the tests, of no use",
)
INBOX = """subscription { inbox { __typename ... on MessageAdded { message { text } } } }"""


@pytest_asyncio.fixture(autouse=True)
async def forgotten(settings: Settings) -> AsyncIterator[None]:
    """Later tests' nodes do not hear of these secrets, which they would tell of."""
    yield
    assert settings.redis_url is not None
    async with Redis.from_url(settings.redis_url) as valkey:
        await valkey.delete(KEY)


@pytest_asyncio.fixture
async def changed_once(server: Server, settings: Settings) -> AsyncIterator[Server]:
    async with serve(replace(settings, secret=SECOND, secret_previous=SECRET)) as node:
        yield node


@pytest_asyncio.fixture
async def changed_twice(server: Server, settings: Settings) -> AsyncIterator[Server]:
    async with serve(replace(settings, secret=THIRD, secret_previous=SECOND)) as node:
        yield node


async def test_ends_no_session_that_was_refreshed_in_between(
    alice: Person, bob: Person, chat: str, changed_once: Server, changed_twice: Server
) -> None:
    async with bob.follow(INBOX) as inbox:
        await until(inbox, "InboxReady")

        once = await refresh(bob.at(changed_once), bob.refresh_token)
        assert await is_let_in(bob.at(changed_once), bob.token or "")
        twice = await refresh(bob.at(changed_twice), once["refreshToken"])
        assert await is_let_in(bob.at(changed_twice), once["accessToken"])
        assert await is_let_in(bob.at(changed_twice), twice["accessToken"])

        # The socket of before is open all the while.
        await alice.say(chat, "Still there?")
        assert (await added(inbox))["message"] == {"text": "Still there?"}
    assert twice["device"]["id"] == bob.device_id


async def test_is_of_no_use_when_it_is_changed_for_the_second_time(
    alice: Person, changed_twice: Server
) -> None:
    assert not await is_let_in(alice.at(changed_twice), alice.token or "")
    refused = await refresh(alice.at(changed_twice), alice.refresh_token)

    assert refused["code"] == "SESSION_REVOKED"
    # And what is not ours touches nothing.
    assert (await refresh(alice, alice.refresh_token))["__typename"] == "Session"


async def test_leaves_a_code_in_force_that_was_sent_before(
    server: Server, changed_once: Server, changed_twice: Server
) -> None:
    before, between = await ask(ApiClient(server)), await ask(ApiClient(changed_once))

    gone = await enter(ApiClient(changed_twice), before)
    first = await enter(ApiClient(changed_once), before)
    second = await enter(ApiClient(changed_twice), between)

    assert gone["code"] == "CODE_WRONG"
    assert (first["__typename"], second["__typename"]) == ("Session", "Session")
    assert first["user"]["id"] == second["user"]["id"]
