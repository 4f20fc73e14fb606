"""Blocks: who is blocked, and what a block keeps from a chat."""

import asyncio
from typing import Any

import pytest

from models import ids
from models.postgresql.database import Database
from tests.client import Json
from tests.make import ACKNOWLEDGE, OPEN_CHAT, REFUSAL, MakePerson, Person
from tests.serving import ServedWith, Server
from tests.waiting import Edge, steps

SET_BLOCKED = f"""mutation ($id: ID!, $blocked: Boolean!) {{
    setBlocked(userId: $id, blocked: $blocked) {{ __typename
    ... on SetBlockedPayload {{ user {{ id name isBlocked }} }} {REFUSAL} }} }}"""
BLOCKED = "query { blockedUsers { nodes { id name isBlocked } } }"
IS_BLOCKED = "query ($id: ID!) { user(id: $id) { isBlocked } }"
CHANNEL = """query ($id: ID!) { channel(id: $id) {
    lastSeq members { nodes { user { id } position { deliveredSeq readSeq } } }
    messages { nodes { seq status } } } }"""
CHANNELS = "query { channels { nodes { id } } }"
UNKNOWN_USER = "usr_" + "0" * 32


async def set_blocked(person: Person, other: Person, blocked: bool) -> Any:
    return await person.mutate(SET_BLOCKED, id=other.id, blocked=blocked)


async def is_blocked(person: Person, other: Person) -> bool:
    found: Json = await person.mutate(IS_BLOCKED, id=other.id)
    answer: bool = found["isBlocked"]
    return answer


async def test_a_block_is_one_s_own_and_safe_to_repeat(
    alice: Person, bob: Person, carol: Person, other_server: Server
) -> None:
    for _ in range(2):
        done = await set_blocked(alice, bob, True)
        assert done["user"] == {"id": bob.id, "name": "Bob", "isBlocked": True}
    await set_blocked(alice, carol, True)

    blocked = await alice.at(other_server).mutate(BLOCKED)
    assert [each["name"] for each in blocked["nodes"]] == ["Carol", "Bob"]
    assert await is_blocked(alice, bob)
    # Who is blocked cannot tell.
    assert not await is_blocked(bob, alice)
    assert await bob.mutate(BLOCKED) == {"nodes": []}

    for _ in range(2):
        done = await set_blocked(alice, bob, False)
        assert done["user"]["isBlocked"] is False
    assert [each["name"] for each in (await alice.mutate(BLOCKED))["nodes"]] == ["Carol"]
    assert not await is_blocked(alice, bob)


async def test_those_who_are_blocked_are_paged(alice: Person, person: MakePerson) -> None:
    others = [await person(f"Other {n}") for n in range(3)]
    for other in others:
        await set_blocked(alice, other, True)
    page = """query ($after: String) { blockedUsers(first: 2, after: $after) {
        edges { cursor node { name avatar { id renditions { url } } } }
        pageInfo { hasNextPage hasPreviousPage endCursor } } }"""

    newest = await alice.mutate(page)
    rest = await alice.mutate(page, after=newest["pageInfo"]["endCursor"])

    assert [edge["node"]["name"] for edge in newest["edges"]] == ["Other 2", "Other 1"]
    assert [edge["node"]["name"] for edge in rest["edges"]] == ["Other 0"]
    assert (newest["pageInfo"]["hasNextPage"], newest["pageInfo"]["hasPreviousPage"]) == (
        True,
        False,
    )
    assert (rest["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasPreviousPage"]) == (False, True)


async def test_who_cannot_be_blocked(alice: Person, bob: Person, database: Database) -> None:
    refusals = []
    for blocked in (True, False):
        for user_id in (UNKNOWN_USER, "nonsense", bob.device_id, alice.id):
            refused = await alice.mutate(SET_BLOCKED, id=user_id, blocked=blocked)
            refusals.append((refused["code"], refused["field"]))

    once = [("NOT_FOUND", "userId")] * 3 + [("INVALID_INPUT", "userId")]
    assert refusals == once * 2
    for table in ("blocks", "blocked_by", "channels", "members"):
        assert await database.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_how_many_can_be_blocked(
    alice: Person, bob: Person, carol: Person, served_with: ServedWith
) -> None:
    async with served_with(blocked_users=1) as server:
        at = alice.at(server)
        assert (await set_blocked(at, bob, True))["__typename"] == "SetBlockedPayload"
        assert (await set_blocked(at, bob, True))["__typename"] == "SetBlockedPayload"
        assert (await set_blocked(at, carol, True))["code"] == "INVALID_INPUT"

        assert not await is_blocked(at, carol)
        await set_blocked(at, bob, False)
        assert (await set_blocked(at, carol, True))["__typename"] == "SetBlockedPayload"


@pytest.mark.parametrize("blocker", ["alice", "bob"])
async def test_nothing_is_said_in_either_direction(
    alice: Person, bob: Person, chat: str, blocker: str
) -> None:
    draft = alice.draft(chat, "before")
    await alice.send(draft)
    one, other = (alice, bob) if blocker == "alice" else (bob, alice)
    await set_blocked(one, other, True)

    for person in (alice, bob):
        refused = await person.send(person.draft(chat, "Hello"))
        assert (refused["code"], refused["field"]) == ("BLOCKED", "channelId")
        assert (await person.mutate(CHANNEL, id=chat))["lastSeq"] == 1
    # What was sent before is still there, also for one who asks again.
    assert (await alice.send(draft))["replayed"] is True

    await set_blocked(one, other, False)
    assert [(await person.say(chat, "Hello"))["seq"] for person in (alice, bob)] == [2, 3]


EDIT = f"""mutation ($id: ID!) {{ change: editMessage(messageId: $id, text: "Goodbye") {{
    __typename {REFUSAL} }} }}"""
REACT = f"""mutation ($id: ID!) {{ change: react(messageId: $id, emoji: "👍") {{
    __typename {REFUSAL} }} }}"""


@pytest.mark.parametrize("document", [EDIT, REACT], ids=["edit", "react"])
@pytest.mark.parametrize("blocker", ["alice", "bob"])
async def test_nothing_is_changed_by_either(
    alice: Person, bob: Person, chat: str, blocker: str, document: str
) -> None:
    message = await alice.say(chat, "Hello")
    one, other = (alice, bob) if blocker == "alice" else (bob, alice)
    await set_blocked(one, other, True)

    for person in (alice,) if document == EDIT else (alice, bob):
        assert (await person.mutate(document, id=message["id"]))["code"] == "BLOCKED"
    assert (await alice.mutate(CHANNEL, id=chat))["lastSeq"] == 1

    await set_blocked(one, other, False)
    assert (await alice.mutate(document, id=message["id"]))["__typename"] == "MessagePayload"


async def test_both_must_lift_what_both_did(alice: Person, bob: Person, chat: str) -> None:
    await set_blocked(alice, bob, True)
    await set_blocked(bob, alice, True)
    await set_blocked(alice, bob, False)

    assert (await alice.send(alice.draft(chat, "Hello")))["code"] == "BLOCKED"
    await set_blocked(bob, alice, False)
    await alice.say(chat, "Hello")


async def test_positions_stand_still_for_the_other_and_catch_up_after_it(
    alice: Person, bob: Person, chat: str
) -> None:
    for text in ("1", "2"):
        await alice.say(chat, text)
    await bob.acknowledge(chat, delivered=1, read=1)
    await set_blocked(alice, bob, True)

    moved = await bob.acknowledge(chat, delivered=2, read=2)

    assert moved == [{"channelId": chat, "deliveredSeq": 2, "readSeq": 2}]
    assert await shown(alice, chat, bob) == ({"deliveredSeq": 1, "readSeq": 1}, ["READ", "SENT"])
    assert (await shown(bob, chat, bob))[0] == {"deliveredSeq": 2, "readSeq": 2}

    await set_blocked(alice, bob, False)
    assert (await shown(alice, chat, bob))[1] == ["READ", "SENT"]
    await bob.acknowledge(chat, read=2)
    assert await shown(alice, chat, bob) == ({"deliveredSeq": 2, "readSeq": 2}, ["READ", "READ"])


async def shown(viewer: Person, channel_id: str, member: Person) -> tuple[Json, list[str]]:
    """Return a member's position, and the status of the messages."""
    channel = await viewer.mutate(CHANNEL, id=channel_id)
    (position,) = [
        each["position"] for each in channel["members"]["nodes"] if each["user"]["id"] == member.id
    ]
    return position, [each["status"] for each in channel["messages"]["nodes"]]


async def test_groups_that_both_are_in_go_on(alice: Person, bob: Person) -> None:
    made = await alice.mutate(
        """mutation ($input: CreateGroupInput!) { createGroup(input: $input) {
        ... on GroupPayload { group { id } } } }""",
        input={"name": "A group", "memberIds": [bob.id]},
    )
    group = made["group"]["id"]
    await set_blocked(alice, bob, True)

    seq = (await bob.say(group, "Hello"))["seq"]
    await alice.acknowledge(group, read=seq)

    position, _ = await shown(bob, group, alice)
    assert position == {"deliveredSeq": seq, "readSeq": seq}


async def test_a_block_makes_no_chat_that_anybody_can_see(
    alice: Person, bob: Person, carol: Person
) -> None:
    """To both, the chat is as one that was never opened; it opens as any other, but says
    nothing.
    """
    chat = ids.channel_global_id(ids.chat_id(alice.user.id, bob.user.id))
    other = ids.channel_global_id(ids.chat_id(alice.user.id, carol.user.id))
    await set_blocked(alice, bob, True)

    for person in (alice, bob):
        assert (await person.post(CHANNEL, id=chat)).content == (
            await person.post(CHANNEL, id=other)
        ).content
        assert await person.mutate(CHANNELS) == {"nodes": []}
        # Asked of a chat that is not open, and of one that does not exist.
        refused = [await person.send(person.draft(each, "Hello")) for each in (chat, other)]
        assert refused[0] == refused[1]
        assert refused[0]["code"] == "NOT_FOUND"
        named = [{"channelId": each, "seq": 1} for each in (chat, other)]
        assert (await person.mutate(ACKNOWLEDGE, input={"read": named}))["positions"] == []

    opened = [
        await person.mutate(OPEN_CHAT, userId=peer.id)
        for person, peer in ((bob, alice), (alice, bob))
    ]
    assert [each["created"] for each in opened] == [True, False]
    assert [each["chat"]["id"] for each in opened] == [chat, chat]
    assert (await bob.send(bob.draft(chat, "Hello")))["code"] == "BLOCKED"
    await set_blocked(alice, bob, False)
    assert (await bob.say(chat, "Hello"))["seq"] == 1
    assert await alice.mutate(CHANNELS) == {"nodes": [{"id": chat}]}


async def test_people_are_asked_about_in_one_statement(alice: Person, person: MakePerson) -> None:
    people = [await person(f"Peer {n}") for n in range(20)]
    for each in people[::2]:
        await set_blocked(alice, each, True)

    found = await alice.query(
        "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on User { isBlocked } } }",
        ids=[each.id for each in people],
    )

    assert [each["isBlocked"] for each in found["nodes"]] == [True, False] * 10


# -------------------------------------------------------------------- races


async def test_a_send_is_stored_before_the_block_or_refused(
    alice: Person, bob: Person, chat: str, other_server: Server
) -> None:
    """200 pairs over two nodes. What a reader finds after the block was answered is all there
    is.
    """
    far, edge = bob.at(other_server), Edge()
    outcomes = []
    for n in range(200):
        blocking = asyncio.create_task(block_and_look(far, alice, chat))
        # The send comes about when the block does.
        await steps(edge.steps)
        sent, seen = await asyncio.gather(alice.send(alice.draft(chat, str(n))), blocking)
        outcomes.append(sent.get("code", "stored"))
        edge.note(too_early=outcomes[-1] == "stored")
        stored = outcomes.count("stored")
        if outcomes[-1] == "stored":
            assert sent["message"]["seq"] == stored
        assert seen == stored
        assert (await alice.send(alice.draft(chat, "late")))["code"] == "BLOCKED"
        await set_blocked(far, alice, False)

    assert (await alice.mutate(CHANNEL, id=chat))["lastSeq"] == outcomes.count("stored")
    assert set(outcomes) == {"stored", "BLOCKED"}


async def block_and_look(person: Person, other: Person, channel_id: str) -> int:
    """Return the length of the log once the block was answered."""
    await set_blocked(person, other, True)
    seen: int = (await person.mutate(CHANNEL, id=channel_id))["lastSeq"]
    return seen


async def test_a_send_that_waits_for_a_block_is_refused(
    alice: Person, bob: Person, chat: str, database: Database
) -> None:
    """The block has the channel's row when the send comes."""
    channel_id = ids.parse_plain("chn", chat)
    async with database.transaction() as connection:
        await connection.execute("SELECT FROM channels WHERE id = $1 FOR UPDATE", channel_id)
        sending = asyncio.create_task(alice.send(alice.draft(chat, "Hello")))
        blocking = asyncio.create_task(set_blocked(bob, alice, True))
        await asyncio.wait([sending, blocking], timeout=0.3)
        assert not sending.done()
        assert not blocking.done()
    await blocking
    sent = await sending

    channel = await bob.mutate(CHANNEL, id=chat)
    stored = sent["__typename"] == "SendMessagePayload"
    assert stored or sent["code"] == "BLOCKED"
    assert channel["lastSeq"] == int(stored)


async def test_two_who_block_each_other_at_once(
    alice: Person, bob: Person, other_server: Server, database: Database
) -> None:
    """And who open the chat meanwhile."""
    far = bob.at(other_server)
    for _ in range(20):
        await asyncio.gather(
            set_blocked(alice, bob, True), set_blocked(far, alice, True), far.open_chat(alice)
        )
        marks = await database.fetchval("SELECT count(*) FROM members WHERE blocks")
        rows = await database.fetchval("SELECT count(*) FROM blocks")
        reverse = await database.fetchval("SELECT count(*) FROM blocked_by")
        assert (marks, rows, reverse) == (2, 2, 2)
        await asyncio.gather(set_blocked(alice, bob, False), set_blocked(far, alice, False))
        assert await database.fetchval("SELECT count(*) FROM members WHERE blocks") == 0
        assert await database.fetchval("SELECT count(*) FROM blocks") == 0
