"""Receipts of a message: member by member of its audience, for its sender only."""

from typing import Any

import pytest

from models.postgresql.database import Database
from tests.changes import add_members, make_group, remove_member
from tests.make import MakePerson, Person

RECEIPTS = """query ($id: ID!, $first: Int, $after: String) { node(id: $id) { ... on Message {
    status deliveredAt seenAt deliveredCount readCount receipts(first: $first, after: $after) {
        nodes { user { id } deliveredAt readAt } edges { cursor node { user { name } } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } } }"""
PAGE = """query ($id: ID!) { channel(id: $id) { messages(last: 5) { nodes { seq
    receipts(first: 5) { nodes { user { name } readAt } } } } } }"""
HIDE = """mutation { updatePrivacy(input: { readReceipts: false }) { __typename } }"""


async def message(person: Person, message_id: str, **page: Any) -> Any:
    return (await person.query(RECEIPTS, id=message_id, **page))["node"]


async def receipts(person: Person, message_id: str) -> dict[str, tuple[bool, bool]]:
    """By user id, whether they received and read it."""
    found = (await message(person, message_id))["receipts"]["nodes"]
    return {
        each["user"]["id"]: (each["deliveredAt"] is not None, each["readAt"] is not None)
        for each in found
    }


async def test_say_who_has_received_and_who_has_read(
    alice: Person, bob: Person, carol: Person, person: MakePerson
) -> None:
    dora = await person("Dora")
    group = await make_group(alice, bob, carol, dora)
    said = await alice.say(group, "Hello")

    await bob.acknowledge(group, read=said["seq"])
    await carol.acknowledge(group, delivered=said["seq"])

    assert await receipts(alice, said["id"]) == {
        bob.id: (True, True),
        carol.id: (True, False),
        dora.id: (False, False),
    }


async def test_give_the_first_move_that_covers_the_message(
    alice: Person, bob: Person, chat: str, database: Database
) -> None:
    first, second = await alice.say(chat, "1"), await alice.say(chat, "2")
    await bob.acknowledge(chat, delivered=1)
    await bob.acknowledge(chat, delivered=2)
    await bob.acknowledge(chat, read=2)
    times = {
        (row[0], row[1]): row[2]
        for row in await database.fetch(
            "SELECT kind, up_to_seq, to_char(at AT TIME ZONE 'UTC', "
            '\'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"\') FROM receipts'
        )
    }

    of_first, of_second = [await message(alice, each["id"]) for each in (first, second)]

    assert times.keys() == {(1, 1), (1, 2), (2, 2)}
    assert of_first["receipts"]["nodes"] == [
        {"user": {"id": bob.id}, "deliveredAt": times[1, 1], "readAt": times[2, 2]}
    ]
    assert of_second["receipts"]["nodes"] == [
        {"user": {"id": bob.id}, "deliveredAt": times[1, 2], "readAt": times[2, 2]}
    ]
    # The same as the fields beside them say, where the audience is one.
    assert (of_first["deliveredAt"], of_first["seenAt"]) == (times[1, 1], times[2, 2])


async def test_are_the_senders_only(alice: Person, bob: Person, chat: str) -> None:
    said = await alice.say(chat, "Hello")

    assert (await message(bob, said["id"]))["receipts"] is None


async def test_of_what_the_channel_says_there_are_none(alice: Person, bob: Person) -> None:
    group = await make_group(alice, bob)

    assert (await message(alice, f"msg_{group[4:]}_1"))["receipts"] is None


async def test_leave_out_who_joined_later_or_left(
    alice: Person, bob: Person, carol: Person, person: MakePerson
) -> None:
    dora = await person("Dora")
    group = await make_group(alice, bob, carol)
    said = await alice.say(group, "Hello")
    await add_members(alice, group, dora)
    await dora.acknowledge(group, read=99)
    await remove_member(alice, group, bob)

    assert await receipts(alice, said["id"]) == {carol.id: (False, False)}


async def test_a_rejoin_does_not_bring_earlier_receipts_back(
    alice: Person, bob: Person, carol: Person
) -> None:
    group = await make_group(alice, bob, carol)
    before = await alice.say(group, "Before")
    await bob.acknowledge(group, read=before["seq"])
    await remove_member(alice, group, bob)
    await add_members(alice, group, bob)
    after = await alice.say(group, "After")

    assert await receipts(alice, before["id"]) == {carol.id: (False, False)}
    assert await receipts(alice, after["id"]) == {
        bob.id: (False, False),
        carol.id: (False, False),
    }


async def test_are_nobodys_in_a_chat_with_oneself(alice: Person) -> None:
    notes = await alice.open_chat(alice)
    said = await alice.say(notes, "Milk")
    await alice.acknowledge(notes, read=1)

    assert await receipts(alice, said["id"]) == {}


@pytest.mark.parametrize("who", ["the sender", "the reader"])
async def test_in_a_chat_reading_is_hidden_by_either_side(
    alice: Person, bob: Person, chat: str, who: str
) -> None:
    said = await alice.say(chat, "Hello")
    await (alice if who == "the sender" else bob).mutate(HIDE)

    await bob.acknowledge(chat, read=1)

    assert await receipts(alice, said["id"]) == {bob.id: (True, False)}


async def test_a_group_always_says_who_has_read(alice: Person, bob: Person) -> None:
    group = await make_group(alice, bob)
    said = await alice.say(group, "Hello")
    await bob.mutate(HIDE)

    await bob.acknowledge(group, read=said["seq"])

    assert await receipts(alice, said["id"]) == {bob.id: (True, True)}


async def test_come_in_pages(alice: Person, bob: Person, carol: Person, person: MakePerson) -> None:
    members = [bob, carol, await person("Dora"), await person("Emil"), await person("Fay")]
    group = await make_group(alice, *members)
    said = await alice.say(group, "Hello")

    found: list[str] = []
    after, facts = None, []
    while True:
        page = (await message(alice, said["id"], first=2, after=after))["receipts"]
        found += [node["user"]["id"] for node in page["nodes"]]
        facts.append((page["pageInfo"]["hasPreviousPage"], page["pageInfo"]["hasNextPage"]))
        assert page["pageInfo"]["endCursor"] == page["edges"][-1]["cursor"]
        after = page["pageInfo"]["endCursor"]
        if not facts[-1][1]:
            break

    assert found == sorted(member.id for member in members)
    assert facts == [(False, True), (True, True), (True, False)]


@pytest.mark.parametrize("page", [{"first": 0}, {"first": 101}, {"after": "x"}])
async def test_refuse_pages_that_are_none(alice: Person, chat: str, page: dict[str, Any]) -> None:
    said = await alice.say(chat, "Hello")

    assert await alice.errors(RECEIPTS, id=said["id"], **page) == ["INVALID_INPUT"]


async def test_one_who_left_is_told_nothing(alice: Person, bob: Person) -> None:
    """By a repeated send they still get the message, and no more of what became of it."""
    group = await make_group(alice, bob)
    draft = bob.draft(group, "Hello")
    said = (await bob.send(draft))["message"]
    await alice.acknowledge(group, read=said["seq"])
    await remove_member(alice, group, bob)

    document = """mutation ($input: SendMessageInput!) { sendMessage(input: $input) {
        ... on SendMessagePayload { replayed message { id status seenAt readCount
            receipts { nodes { user { id } readAt } } } } } }"""
    repeated = await bob.mutate(document, input=draft)

    assert repeated == {
        "replayed": True,
        "message": {
            "id": said["id"],
            "status": "SENT",
            "seenAt": None,
            "readCount": 0,
            "receipts": {"nodes": []},
        },
    }
    assert await message(bob, said["id"]) is None


async def test_of_a_whole_page_are_read_at_once(alice: Person, bob: Person, chat: str) -> None:
    for n in range(5):
        await (alice if n % 2 else bob).say(chat, str(n))
    await bob.acknowledge(chat, read=3)

    nodes = (await alice.query(PAGE, id=chat))["channel"]["messages"]["nodes"]

    read = {n["seq"]: n["receipts"] and n["receipts"]["nodes"][0]["readAt"] for n in nodes}
    assert [(seq, at is not None) for seq, at in read.items()] == [
        (1, False),
        (2, True),
        (3, False),
        (4, False),
        (5, False),
    ]
