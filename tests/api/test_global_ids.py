"""`node` and `nodes`: each type by its id, and null for whatever the viewer may not see."""

import pytest

from tests.client import Json
from tests.make import AnotherDevice, Person

UNKNOWN = "0" * 32

NODE = """query ($id: ID!) { node(id: $id) { __typename id
    ... on User { name } ... on Chat { lastSeq } ... on Device { isCurrent }
    ... on Message { text } ... on Member { joinedSeq user { name } } } }"""
NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"


async def test_each_type_is_found_by_its_id(alice: Person, bob: Person, chat: str) -> None:
    message = await bob.say(chat, "Hello")
    member_id = f"mbr_{chat[4:]}_{bob.user.id}"

    expected: list[Json] = [
        {"__typename": "User", "id": bob.id, "name": "Bob"},
        {"__typename": "Chat", "id": chat, "lastSeq": 1},
        {"__typename": "Device", "id": alice.device_id, "isCurrent": True},
        {"__typename": "Message", "id": message["id"], "text": "Hello"},
        {"__typename": "Member", "id": member_id, "joinedSeq": 1, "user": {"name": "Bob"}},
    ]

    assert [await alice.mutate(NODE, id=each["id"]) for each in expected] == expected


async def test_several_come_in_the_order_asked(alice: Person, bob: Person, chat: str) -> None:
    message = await bob.say(chat, "Hello")
    ids = [message["id"], "usr_" + UNKNOWN, alice.id, chat, "", message["id"], bob.device_id]

    found = await alice.mutate(NODES, ids=ids)

    assert [node and node["id"] for node in found] == [
        message["id"],
        None,
        alice.id,
        chat,
        None,
        message["id"],
        None,
    ]


async def test_at_most_a_hundred_can_be_asked_for(alice: Person) -> None:
    assert await alice.mutate(NODES, ids=["x"] * 100) == [None] * 100
    assert await alice.errors(NODES, ids=["x"] * 101) in (["INVALID_INPUT"], ["LIMIT_EXCEEDED"])


@pytest.mark.parametrize(
    "node_id",
    [
        "",
        "usr_",
        "xyz_" + UNKNOWN,
        "usr_" + UNKNOWN,
        "usr_" + "G" * 32,
        "usr_" + UNKNOWN + "\n",
        "USR_" + UNKNOWN,
        "med_" + UNKNOWN,
        f"msg_{UNKNOWN}_0",
        f"msg_{UNKNOWN}_01",
        f"msg_{UNKNOWN}_{2**31}",
        f"msg_{UNKNOWN}_99999999999999999999",
        f"mbr_{UNKNOWN}_",
        "é",
        "x" * 10_000,
    ],
)
async def test_what_is_no_id_is_null(alice: Person, node_id: str) -> None:
    assert await alice.mutate(NODE, id=node_id) is None


async def test_a_stranger_sees_nothing_of_a_chat(
    alice: Person, bob: Person, carol: Person, chat: str, another_device: AnotherDevice
) -> None:
    """As what does not exist, byte by byte."""
    message = await alice.say(chat, "Hello")
    theirs = [
        chat,
        message["id"],
        f"mbr_{chat[4:]}_{bob.user.id}",
        f"mbr_{chat[4:]}_{carol.user.id}",
        alice.device_id,
        (await another_device(bob)).device_id,
    ]

    answers = [await carol.post(NODE, id=node_id) for node_id in [*theirs, "chn_" + UNKNOWN]]

    assert {answer.content for answer in answers} == {b'{"data":{"node":null}}'}


async def test_a_member_sees_no_message_that_is_not_there(alice: Person, chat: str) -> None:
    assert await alice.mutate(NODE, id=f"msg_{chat[4:]}_1") is None
