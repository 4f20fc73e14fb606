"""Presence is shown to those who may see it, at most so many people at once."""

from typing import Any

import pytest

from tests.client import codes_of, ending
from tests.live.presence.watching import (
    LOOK,
    LOOK_AT_ALL,
    PRESENCE,
    block,
    hide,
    look,
    online,
    watching,
)
from tests.make import MakePerson, Person
from tests.serving import Server


@pytest.mark.parametrize("contacts", [True, False])
@pytest.mark.parametrize(("mine", "theirs"), [("EVERYONE", "CONTACTS"), ("CONTACTS", "EVERYONE")])
async def test_contacts_are_those_who_sent_each_other_a_message(
    alice: Person, bob: Person, chat: str, here: Server, mine: str, theirs: str, contacts: bool
) -> None:
    await alice.say(chat, "Hello?")
    if contacts:
        await bob.say(chat, "Hello.")
    await hide(alice, mine)
    await hide(bob, theirs)

    assert (await look(alice, bob) is not None) is contacts
    assert (await look(bob, alice) is not None) is contacts


@pytest.mark.parametrize("who", ["viewer", "user"])
async def test_nobody_s_is_hidden_and_so_is_what_they_could_see(
    alice: Person, bob: Person, here: Server, there: Server, who: str
) -> None:
    await hide(alice if who == "viewer" else bob, "NOBODY")
    viewer = alice.at(here)
    async with (
        bob.at(there).socket(),
        viewer.follow(PRESENCE, ids=[bob.id, alice.id]) as stream,
    ):
        # The viewer sees their own all the same; it would come after Bob's.
        assert await stream.event() == online(alice)
        assert await look(viewer, bob) is None
        assert await look(bob.at(there), alice) is None
        assert await look(viewer, alice) == online(alice)


async def test_hiding_is_believed_at_once_and_says_offline_with_nothing_else(
    alice: Person, bob: Person, here: Server, there: Server
) -> None:
    async with watching(alice.at(here), bob) as stream, bob.at(there).socket():
        assert await stream.event() == online(bob)

        await hide(bob.at(there), "NOBODY")
        assert await stream.event() == online(bob) | {"online": False}

        await hide(bob.at(there), "EVERYONE")
        assert await stream.event() == online(bob)

        # What the viewer hides is as good, at whichever node they say so.
        for node in (there, here):
            await hide(alice.at(node), "NOBODY")
            assert await stream.event() == online(bob) | {"online": False}
            await hide(alice.at(node), "EVERYONE")
            assert await stream.event() == online(bob)


@pytest.mark.parametrize("who", ["viewer", "user"])
async def test_a_block_hides_it_at_once_and_its_end_shows_it(
    alice: Person, bob: Person, here: Server, there: Server, who: str
) -> None:
    blocker, blocked = (alice, bob) if who == "viewer" else (bob, alice)
    async with watching(alice.at(here), bob) as stream, bob.at(there).socket():
        assert await stream.event() == online(bob)

        await block(blocker.at(there), blocked)
        assert await stream.event() == online(bob) | {"online": False}
        assert await look(alice.at(here), bob) is None

        await block(blocker.at(there), blocked, False)
        assert await stream.event() == online(bob)


async def test_who_does_not_exist_is_as_one_who_hides(
    alice: Person, bob: Person, here: Server
) -> None:
    await hide(bob, "NOBODY")
    asked = [bob.id, "usr_" + "0" * 32, "chn_" + "0" * 32, "nobody", alice.id, alice.id]

    async with alice.at(here).follow(PRESENCE, ids=asked) as stream:
        assert await stream.event() == online(alice)


async def test_at_most_a_hundred_can_be_named(alice: Person, here: Server) -> None:
    async with alice.at(here).follow(PRESENCE, ids=[alice.id] * 101) as stream:
        assert (await ending(stream)).codes == ["INVALID_INPUT"]


async def test_what_one_viewer_follows_is_bounded(
    alice: Person, bob: Person, served_with: Any
) -> None:
    async with served_with(presence_followed=2) as node:
        async with alice.at(node).follow(PRESENCE, ids=[alice.id, bob.id]) as stream:
            assert await stream.event() == online(alice)
            async with alice.at(node).follow(PRESENCE, ids=[alice.id]) as second:
                assert (await ending(second)).codes == ["RATE_LIMITED"]
        async with alice.at(node).follow(PRESENCE, ids=[alice.id]) as third:
            assert await third.event() == online(alice)


async def test_many_people_are_looked_up_together(
    alice: Person, person: MakePerson, here: Server
) -> None:
    people = [await person(f"Person {n}") for n in range(20)]
    async with people[3].at(here).socket():
        ids = [each.id for each in people]

        found = await alice.at(here).query(LOOK_AT_ALL, ids=ids)

    shown = [each["presence"]["online"] for each in found["nodes"]]
    assert shown == [n == 3 for n in range(20)]


async def test_a_signed_out_visitor_sees_nothing(alice: Person, bob: Person, here: Server) -> None:
    visitor = bob.at(here)
    visitor.token = None

    response = await visitor.post(LOOK, id=alice.id)

    assert response.status_code == 401
    assert codes_of(response.json()["errors"]) == ["UNAUTHENTICATED"]
