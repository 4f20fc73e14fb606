"""Changes of groups, and what strangers are told of them."""

import asyncio
from typing import Any

import pytest

from models.postgresql.database import Database
from tests.api.channels.making_groups import BLOCK, count, refusal, update
from tests.groups import (
    ADD,
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
)
from tests.make import MakePerson, Person
from tests.serving import Server

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
