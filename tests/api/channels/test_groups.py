"""Groups: making one, what it is called, and that a stranger learns nothing of it."""

import asyncio
from typing import Any

import pytest

from models.database import Database
from tests.client import Json
from tests.groups import (
    ADD,
    CREATE,
    INVITE_IN,
    LEAVE,
    LOG,
    MEMBERS,
    NOBODY,
    REMOVE,
    REVOKE,
    SEEN,
    SET_ROLE,
    UNKNOWN,
    UPDATE,
    inner_id,
    join,
    make_group,
    make_invite,
    notices,
    promote,
    remove,
    roles,
)
from tests.make import MakePerson, Person
from tests.serving import ServedWith, Server

ADD_TO_GROUPS = """mutation ($audience: Audience!) {
    updatePrivacy(input: { addToGroups: $audience }) { __typename } }"""
BLOCK = "mutation ($id: ID!) { setBlocked(userId: $id, blocked: true) { __typename } }"


async def create(person: Person, *members: Person | str, **more: Any) -> Json:
    """The payload, or the Refusal."""
    member_ids = [who if isinstance(who, str) else who.id for who in members]
    asked = {"name": "Hikers", "memberIds": member_ids} | more
    made: Json = await person.mutate(CREATE, input=asked)
    return made


async def update(person: Person, group_id: str, **changes: Any) -> Json:
    changed: Json = await person.mutate(UPDATE, input={"groupId": group_id} | changes)
    return changed


def refusal(answer: Json) -> tuple[str, str | None]:
    assert answer["__typename"] == "Refusal", answer
    return answer["code"], answer["field"]


async def count(database: Database, table: str) -> int:
    found: int = await database.fetchval(f"SELECT count(*) FROM {table}")
    return found


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


# -------------------------------------------------------------------- what it is called


async def test_a_new_name_is_one_entry(alice: Person, bob: Person) -> None:
    group_id = await make_group(alice, bob, description="On Sundays")

    changed = await update(alice, group_id, name=" Climbers", description="On Mondays")

    assert changed["group"]["name"] == "Climbers"
    assert changed["group"]["description"] == "On Mondays"
    assert changed["group"]["lastSeq"] == 2
    assert (await notices(bob, group_id))[1:] == [
        (2, "GROUP_RENAMED", alice.id, [], "Climbers"),
    ]


async def test_absent_keeps_and_null_clears(alice: Person) -> None:
    group_id = await make_group(alice, description="On Sundays")

    kept = await update(alice, group_id, name="Climbers")
    cleared = await update(alice, group_id, description=None)

    assert kept["group"]["description"] == "On Sundays"
    assert (cleared["group"]["name"], cleared["group"]["description"]) == ("Climbers", None)
    assert (await notices(alice, group_id))[2:] == [(3, "GROUP_CHANGED", alice.id, [], None)]


async def test_what_changes_nothing_takes_no_seq(alice: Person, database: Database) -> None:
    group_id = await make_group(alice, description="On Sundays")

    for same in ({}, {"name": "Hikers "}, {"description": "On Sundays", "name": "Hikers"}):
        changed = await update(alice, group_id, **same)
        assert changed["group"]["lastSeq"] == 1

    assert await count(database, "outbox") == 1


async def test_changes_made_in_one_operation_each_show_what_they_did(alice: Person) -> None:
    group_id = await make_group(alice)
    field = """updateGroup(input: { groupId: $id, name: "%s" }) { ... on GroupPayload {
        group { name lastMessage { system { value } } } } }"""

    both = await alice.query(
        f"mutation ($id: ID!) {{ a: {field % 'A'} b: {field % 'B'} }}", id=group_id
    )

    assert [both[name]["group"]["name"] for name in "ab"] == ["A", "B"]
    assert [both[name]["group"]["lastMessage"]["system"]["value"] for name in "ab"] == ["A", "B"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": None}, "name"),
        ({"name": " "}, "name"),
        ({"description": "x" * 501}, "description"),
    ],
)
async def test_wrong_changes_are_refused(alice: Person, wrong: Any, field: str) -> None:
    group_id = await make_group(alice, description="On Sundays")

    changed = await update(alice, group_id, **wrong)

    assert refusal(changed) == ("INVALID_INPUT", field)
    assert (await alice.mutate(SEEN, id=group_id))["lastSeq"] == 1


async def test_admins_may_change_it_and_members_may_not(
    alice: Person, bob: Person, carol: Person
) -> None:
    group_id = await make_group(alice, bob, carol)
    await promote(alice, group_id, bob)

    by_admin = await update(bob, group_id, name="Climbers")
    by_member = await update(carol, group_id, name="Carol's")

    assert by_admin["group"]["name"] == "Climbers"
    assert refusal(by_member) == ("FORBIDDEN", None)
    assert (await carol.mutate(SEEN, id=group_id))["name"] == "Climbers"


async def test_changes_at_once_over_both_nodes_are_all_there(
    alice: Person, bob: Person, other_server: Server
) -> None:
    group_id = await make_group(alice, bob)
    await promote(alice, group_id, bob)
    changers = (alice, bob.at(other_server))

    changed = await asyncio.gather(
        *(update(changers[n % 2], group_id, name=f"Hikers {n}") for n in range(20))
    )

    assert {each["__typename"] for each in changed} == {"GroupPayload"}
    log = await notices(alice, group_id)
    assert [notice[0] for notice in log] == list(range(1, 23))
    assert {notice[4] for notice in log[2:]} == {f"Hikers {n}" for n in range(20)}
    assert (await bob.mutate(SEEN, id=group_id))["name"] == log[-1][4]


# -------------------------------------------------------------------- strangers


def questions(group_id: str, member: Person, stranger: Person, token: str) -> list[tuple[str, Any]]:
    """Everything that can be asked about a group, or done to it."""
    channel = inner_id(group_id)
    nodes = [group_id, f"msg_{channel}_1", f"mbr_{channel}_{member.user.id}"]
    nodes += [f"mbr_{channel}_{stranger.user.id}"]
    return [
        (SEEN, {"id": group_id}),
        (LOG, {"id": group_id}),
        (MEMBERS, {"id": group_id}),
        *(("query ($id: ID!) { node(id: $id) { __typename } }", {"id": each}) for each in nodes),
        (UPDATE, {"input": {"groupId": group_id, "name": "Mine"}}),
        (LEAVE, {"groupId": group_id}),
        (ADD, {"groupId": group_id, "userIds": [stranger.id]}),
        (ADD, {"groupId": group_id, "userIds": [NOBODY]}),
        (ADD, {"groupId": group_id, "userIds": []}),
        (REMOVE, {"groupId": group_id, "userId": member.id}),
        (REMOVE, {"groupId": group_id, "userId": stranger.id}),
        (SET_ROLE, {"groupId": group_id, "userId": stranger.id, "role": "OWNER"}),
        (SET_ROLE, {"groupId": group_id, "userId": member.id, "role": "MEMBER"}),
        (INVITE_IN, {"input": {"groupId": group_id}}),
        (REVOKE, {"token": token}),
    ]


@pytest.mark.parametrize("who", ["stranger", "ex-member"])
async def test_one_who_is_not_in_it_cannot_tell_it_from_none(
    alice: Person, bob: Person, carol: Person, database: Database, who: str
) -> None:
    """Byte by byte; and nothing comes of asking."""
    group_id = await make_group(alice, bob)
    token = await make_invite(alice, group_id)
    if who == "ex-member":
        await join(carol, token)
        await remove(alice, group_id, carol)
    before = await alice.mutate(SEEN, id=group_id)

    real = [
        await carol.post(document, **variables)
        for document, variables in questions(group_id, bob, carol, token)
    ]
    unreal = [
        await carol.post(document, **variables)
        for document, variables in questions(UNKNOWN, bob, carol, "A" * 44)
    ]

    assert [answer.content for answer in real] == [answer.content for answer in unreal]
    for answer in real:
        (value,) = answer.json()["data"].values()
        assert value is None or value["code"] == "NOT_FOUND"
    assert await alice.mutate(SEEN, id=group_id) == before


async def test_a_chat_is_no_group(alice: Person, bob: Person, chat: str) -> None:
    for document, variables in questions(chat, bob, alice, "A" * 44)[7:]:
        answer = await alice.mutate(document, **variables)
        assert answer["code"] == "NOT_FOUND", document


async def test_people_who_block_each_other_go_on_in_a_group(
    alice: Person, bob: Person, person: MakePerson
) -> None:
    group_id = await make_group(alice, bob)
    await alice.mutate(BLOCK, id=bob.id)
    await alice.say(group_id, "Hello")
    await bob.say(group_id, "Hello")

    dora = await person("Dora")
    added = await bob.mutate(ADD, groupId=group_id, userIds=[dora.id])

    assert added["code"] == "FORBIDDEN"  # A member, not an admin.
    assert (await bob.mutate(SEEN, id=group_id))["lastSeq"] == 3
