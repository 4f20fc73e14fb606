"""Groups: making one, and making it again."""

import asyncio
from typing import Any

import pytest

from models.postgresql.database import Database
from tests.api.channels.making_groups import ADD_TO_GROUPS, BLOCK, count, create, refusal, update
from tests.groups import (
    CREATE,
    LEAVE,
    MEMBERS,
    NOBODY,
    make_group,
    notices,
    remove,
    roles,
)
from tests.make import Person
from tests.serving import ServedWith, Server

# -------------------------------------------------------------------- making one


async def test_is_made_with_all_its_members(alice: Person, bob: Person, carol: Person) -> None:
    made = await create(alice, bob, carol, name=" Hikers ", description="On Sundays")

    group = made["group"]
    assert group | {"id": ""} == {
        "id": "",
        "name": "Hikers",
        "description": "On Sundays",
        "memberCount": 3,
        "seatsLeft": 97,
        "viewerRole": "OWNER",
        "lastSeq": 1,
    }
    assert await roles(carol, group["id"]) == {
        alice.id: "OWNER",
        bob.id: "MEMBER",
        carol.id: "MEMBER",
    }
    assert await notices(bob, group["id"]) == [
        (1, "GROUP_CREATED", alice.id, [bob.id, carol.id], "Hikers")
    ]


async def test_all_join_with_the_entry_that_makes_it(alice: Person, bob: Person) -> None:
    group_id = await make_group(alice, bob)

    found = await bob.mutate(MEMBERS, id=group_id)

    for member in found["members"]["nodes"]:
        assert member["joinedSeq"] == 1
        assert member["position"] == {"deliveredSeq": 0, "readSeq": 0}


async def test_the_creator_and_repeats_among_the_members_do_not_count(
    alice: Person, bob: Person
) -> None:
    made = await create(alice, bob, alice, bob)

    assert made["group"]["memberCount"] == 2
    assert await notices(alice, made["group"]["id"]) == [
        (1, "GROUP_CREATED", alice.id, [bob.id], "Hikers")
    ]


async def test_one_may_be_alone_in_it(alice: Person) -> None:
    made = await create(alice)

    assert made["group"]["memberCount"] == 1
    assert await roles(alice, made["group"]["id"]) == {alice.id: "OWNER"}


@pytest.mark.parametrize("nobody", [NOBODY, "usr_", "", "chn_" + "0" * 32])
async def test_somebody_who_does_not_exist_is_named_and_nothing_is_made(
    alice: Person, bob: Person, database: Database, nobody: str
) -> None:
    made = await create(alice, bob, bob, nobody)

    assert refusal(made) == ("NOT_FOUND", "memberIds.2")
    for table in ("channels", "groups", "members", "messages", "user_channels", "outbox"):
        assert await count(database, table) == 0


async def test_who_lets_nobody_add_them_is_named_and_nothing_is_made(
    alice: Person, bob: Person, carol: Person, database: Database
) -> None:
    await carol.mutate(ADD_TO_GROUPS, audience="NOBODY")

    made = await create(alice, bob, carol)

    assert refusal(made) == ("FORBIDDEN", "memberIds.1")
    assert await count(database, "channels") == 0


async def test_who_lets_contacts_add_them_is_added_by_who_they_have_talked_with(
    alice: Person, bob: Person, chat: str
) -> None:
    await bob.mutate(ADD_TO_GROUPS, audience="CONTACTS")
    strangers = await create(alice, bob)
    await alice.say(chat, "Hello")
    one_sided = await create(alice, bob)
    await bob.say(chat, "Hello")
    contacts = await create(alice, bob)

    assert refusal(strangers) == refusal(one_sided) == ("FORBIDDEN", "memberIds.0")
    assert contacts["group"]["memberCount"] == 2


@pytest.mark.parametrize("blocker", ["the creator", "the other"])
async def test_a_block_looks_as_if_they_let_nobody_add_them(
    alice: Person, bob: Person, carol: Person, blocker: str
) -> None:
    await carol.mutate(ADD_TO_GROUPS, audience="NOBODY")
    if blocker == "the creator":
        await alice.mutate(BLOCK, id=bob.id)
    else:
        await bob.mutate(BLOCK, id=alice.id)

    blocked, hidden = [
        await alice.post(CREATE, input={"name": "Hikers", "memberIds": [who.id]})
        for who in (bob, carol)
    ]

    assert b"FORBIDDEN" in blocked.content
    assert blocked.content == hidden.content


async def test_more_than_fit_make_none(
    alice: Person, bob: Person, carol: Person, served_with: ServedWith, database: Database
) -> None:
    async with served_with(group_members=2) as small:
        full = await create(alice.at(small), bob, carol)
        fits = await create(alice.at(small), bob, bob, alice)

    assert refusal(full) == ("GROUP_FULL", None)
    assert fits["group"]["seatsLeft"] == 0
    assert await count(database, "groups") == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": " \t"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"description": "x" * 501}, "description"),
        ({"description": "a\x07b"}, "description"),
        ({"clientGroupId": ""}, "clientGroupId"),
        ({"clientGroupId": "x" * 65}, "clientGroupId"),
    ],
)
async def test_what_it_cannot_be_called_is_refused(
    alice: Person, database: Database, wrong: Any, field: str
) -> None:
    made = await create(alice, **wrong)

    assert refusal(made) == ("INVALID_INPUT", field)
    assert await count(database, "channels") == 0


async def test_the_longest_names_and_descriptions_are_taken(alice: Person) -> None:
    made = await create(alice, name="é" * 100, description="a\n" * 250, clientGroupId="x" * 64)

    assert made["group"]["name"] == "é" * 100
    assert made["group"]["description"] == "a\n" * 250


async def test_a_blank_description_is_none(alice: Person) -> None:
    for blank in ("", " \n", None):
        made = await create(alice, description=blank)
        assert made["group"]["description"] is None


# -------------------------------------------------------------------- making it again


async def test_fifty_at_once_make_one(
    alice: Person, bob: Person, other_server: Server, database: Database
) -> None:
    devices = (alice, alice.at(other_server))

    made = await asyncio.gather(
        *(create(devices[n % 2], bob, clientGroupId="mine") for n in range(50))
    )

    assert len({each["group"]["id"] for each in made}) == 1
    assert {each["group"]["lastSeq"] for each in made} == {1}
    for table in ("channels", "groups", "messages", "outbox"):
        assert await count(database, table) == 1


async def test_again_answers_with_the_group_as_it_is(
    alice: Person, bob: Person, carol: Person
) -> None:
    """Whatever has become of it, and of who may be added now."""
    first = await create(alice, bob, carol, clientGroupId="mine")
    group_id = first["group"]["id"]
    await update(alice, group_id, name="Climbers")
    await remove(alice, group_id, carol)
    await carol.mutate(BLOCK, id=alice.id)

    again = await create(alice, carol, bob, bob, clientGroupId="mine")

    assert again["group"] == first["group"] | {
        "name": "Climbers",
        "memberCount": 2,
        "seatsLeft": 98,
        "lastSeq": 3,
    }


@pytest.mark.parametrize("other", ["name", "description", "members"])
async def test_again_with_another_input_is_a_conflict(
    alice: Person, bob: Person, carol: Person, database: Database, other: str
) -> None:
    await create(alice, bob, clientGroupId="mine")

    changed: dict[str, Any] = {"name": "Others"} if other == "name" else {}
    changed |= {"description": "Other"} if other == "description" else {}
    members = [bob, carol] if other == "members" else [bob]
    made = await create(alice, *members, clientGroupId="mine", **changed)

    assert refusal(made) == ("CONFLICT", "clientGroupId")
    assert await count(database, "channels") == 1


async def test_the_ids_of_two_creators_do_not_meet(alice: Person, bob: Person) -> None:
    one = await create(alice, bob, clientGroupId="mine")
    other = await create(bob, alice, clientGroupId="mine")
    without = [await create(alice, bob) for _ in range(2)]

    made = [one, other, *without]
    assert len({each["group"]["id"] for each in made}) == 4


async def test_again_says_nothing_of_a_group_that_was_left(alice: Person, bob: Person) -> None:
    made = await create(alice, bob, clientGroupId="mine")
    await alice.mutate(LEAVE, groupId=made["group"]["id"])

    again = await create(alice, bob, clientGroupId="mine")

    assert refusal(again) == ("NOT_FOUND", "clientGroupId")
