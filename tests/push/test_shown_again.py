"""What is shown of a channel while anything in it is unread: the newest that is still there."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from models.postgresql.database import Database
from tests.changes import DELETE, EDIT
from tests.make import Person
from tests.push.conftest import Working
from tests.push.fakes.apns import FakeApns
from tests.push.phones import is_settled
from tests.push.screens import Came, Screen, open_screen
from tests.waiting import eventually

MUTE = """mutation ($id: ID!) { muteChannel(channelId: $id, until: "9999-12-31T23:59:59.999Z") {
    __typename } }"""


@pytest_asyncio.fixture(params=["APNS", "FCM", "WEB_PUSH"])
async def screen(
    request: pytest.FixtureRequest, apple: FakeApns, database: Database, bob: Person
) -> AsyncIterator[Screen]:
    """Bob's, of each provider."""
    async with open_screen(request.param, apple) as screen:
        await screen.give(database, bob)
        yield screen


async def came(screen: Screen, count: int) -> Came:
    """Return the last push, once there are so many."""
    await eventually(lambda: len(screen.bodies) >= count)
    assert len(screen.bodies) == count
    return screen.list_came()[-1]


def say(push: Came) -> tuple[str, str | None, int]:
    return push.slot, push.body, push.badge


async def test_the_older_unread_message_takes_the_place_of_a_newest_that_is_deleted(
    alice: Person, bob: Person, chat: str, screen: Screen, working: Working, database: Database
) -> None:
    async with working(*screen.providers):
        await alice.say(chat, "The older one")
        first = await came(screen, 1)
        newest = await alice.say(chat, "The newest one")
        await came(screen, 2)

        await alice.mutate(DELETE, id=newest["id"])

        assert say(await came(screen, 3)) == (first.slot, "The older one", 1)
        await bob.acknowledge(chat, read=2)
        assert say(await came(screen, 4)) == (first.slot, None, 0)
        await eventually(lambda: is_settled(database))
    assert len(screen.bodies) == 4


async def test_it_goes_step_by_step_down_to_nothing(
    alice: Person, chat: str, screen: Screen, working: Working
) -> None:
    async with working(*screen.providers):
        said = []
        for count, text in enumerate(("1", "2", "3"), 1):
            said.append(await alice.say(chat, text))
            await came(screen, count)
        for count, message in enumerate(reversed(said), 4):
            await alice.mutate(DELETE, id=message["id"])
            await came(screen, count)

    assert [each.body for each in screen.list_came()[2:]] == ["3", "2", "1", None]
    assert [each.badge for each in screen.list_came()[2:]] == [3, 2, 1, 0]


async def test_what_replaces_it_is_another_push_than_the_first_of_that_message(
    alice: Person, chat: str, screen: Screen, working: Working
) -> None:
    """Else an app that drops what it has had already would show the deleted one on."""
    async with working(*screen.providers):
        await alice.say(chat, "1")
        await came(screen, 1)
        newest = await alice.say(chat, "2")
        await came(screen, 2)
        await alice.mutate(DELETE, id=newest["id"])
        await came(screen, 3)

    assert len({each.id for each in screen.list_came()}) == 3


async def test_an_older_one_that_is_edited_later_is_shown_as_it_is_then(
    alice: Person, chat: str, screen: Screen, working: Working
) -> None:
    async with working(*screen.providers):
        older = await alice.say(chat, "Helo")
        await came(screen, 1)
        newest = await alice.say(chat, "2")
        await came(screen, 2)
        await alice.mutate(DELETE, id=newest["id"])
        await came(screen, 3)
        await alice.mutate(EDIT, id=older["id"], text="Hello")
        await came(screen, 4)

    assert screen.bodies == ["Helo", "2", "Helo", "Hello"]


async def test_the_next_message_is_shown_after_one_was_shown_again(
    alice: Person, chat: str, screen: Screen, working: Working
) -> None:
    async with working(*screen.providers):
        await alice.say(chat, "1")
        await came(screen, 1)
        newest = await alice.say(chat, "2")
        await came(screen, 2)
        await alice.mutate(DELETE, id=newest["id"])
        await came(screen, 3)
        await alice.say(chat, "3")
        assert (await came(screen, 4)).badge == 2

    assert screen.bodies == ["1", "2", "1", "3"]


async def test_nothing_older_is_shown_where_the_channel_was_muted_meanwhile(
    alice: Person, bob: Person, chat: str, screen: Screen, working: Working
) -> None:
    async with working(*screen.providers):
        await alice.say(chat, "1")
        await came(screen, 1)
        newest = await alice.say(chat, "2")
        await came(screen, 2)
        await bob.mutate(MUTE, id=chat)
        await alice.mutate(DELETE, id=newest["id"])
        assert (await came(screen, 3)).body is None
