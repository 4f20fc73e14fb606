"""Channels: opening chats, the viewer's list, one by id, its members."""

import asyncio
from typing import Any

import pytest

from models.postgresql.database import Database
from tests.make import OPEN_CHAT, MakePerson, Person
from tests.serving import Server

UNKNOWN = "0" * 32

CHANNEL = """query ($id: ID!) { channel(id: $id) {
    __typename id kind createdAt lastSeq lastMessage { text } unreadCount mutedUntil
    position { userId deliveredSeq readSeq }
    members { nodes { id user { name } role joinedAt joinedSeq position { userId readSeq } }
        pageInfo { hasNextPage hasPreviousPage } }
    ... on Chat { peer { id name } } } }"""
CHANNELS = """query ($first: Int, $after: String, $last: Int, $before: String,
        $kind: ChannelKind) {
    channels(first: $first, after: $after, last: $last, before: $before, kind: $kind) {
        edges { cursor node { id } } nodes { id lastMessage { text } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
MEMBERS = """query ($id: ID!, $first: Int, $after: String) { channel(id: $id) {
    members(first: $first, after: $after) { edges { cursor node { user { name } } }
        pageInfo { hasNextPage hasPreviousPage endCursor } } } }"""


async def listed(person: Person, **variables: Any) -> list[str]:
    page = await person.mutate(CHANNELS, **variables)
    return [channel["id"] for channel in page["nodes"]]


async def test_open_chat_makes_one_chat_however_many_ask_at_once(
    alice: Person, bob: Person, other_server: Server
) -> None:
    """50 at once, from both sides, over both nodes."""
    askers = [(alice, bob), (bob.at(other_server), alice), (alice.at(other_server), bob)]

    opened = await asyncio.gather(
        *(
            asker.mutate(OPEN_CHAT, userId=peer.id)
            for asker, peer in (askers[n % 3] for n in range(50))
        )
    )

    assert len({each["chat"]["id"] for each in opened}) == 1
    assert sum(each["created"] for each in opened) == 1
    assert {each["chat"]["peer"]["name"] for each in opened} == {"Alice", "Bob"}


async def test_open_chat_answers_with_the_same_chat_from_either_side(
    alice: Person, bob: Person
) -> None:
    first = await alice.mutate(OPEN_CHAT, userId=bob.id)
    again = await alice.mutate(OPEN_CHAT, userId=bob.id)
    other_side = await bob.mutate(OPEN_CHAT, userId=alice.id)

    assert first == {
        "__typename": "OpenChatPayload",
        "created": True,
        "chat": {
            "id": first["chat"]["id"],
            "kind": "CHAT",
            "lastSeq": 0,
            "peer": {"id": bob.id, "name": "Bob"},
        },
    }
    assert again == {**first, "created": False}
    assert other_side["chat"] == {**first["chat"], "peer": {"id": alice.id, "name": "Alice"}}
    assert other_side["created"] is False


async def test_open_chat_with_oneself_is_a_place_for_notes(alice: Person) -> None:
    opened = await alice.mutate(OPEN_CHAT, userId=alice.id)
    again = await alice.mutate(OPEN_CHAT, userId=alice.id)
    notes = opened["chat"]["id"]
    message = await alice.say(notes, "Remember the milk")

    assert (opened["created"], again["created"]) == (True, False)
    assert again["chat"]["id"] == notes
    assert opened["chat"]["peer"] == {"id": alice.id, "name": "Alice"}
    channel = await alice.mutate(CHANNEL, id=notes)
    assert [member["user"]["name"] for member in channel["members"]["nodes"]] == ["Alice"]
    assert channel["unreadCount"] == 0
    assert message["status"] == "SENT"


@pytest.mark.parametrize(
    "user_id", ["usr_" + UNKNOWN, "chn_" + UNKNOWN, "", "usr_", "no id at all", "usr_" + "A" * 32]
)
async def test_open_chat_refuses_whom_it_does_not_know(
    alice: Person, database: Database, user_id: str
) -> None:
    refused = await alice.mutate(OPEN_CHAT, userId=user_id)

    assert refused == {
        "__typename": "Refusal",
        "code": "NOT_FOUND",
        "reason": "There is no such user.",
        "field": "userId",
        "retryAfterMs": None,
    }
    assert await database.fetchval("SELECT count(*) FROM channels") == 0


async def test_a_chat_shows_itself_to_each_of_the_two(
    alice: Person, bob: Person, chat: str
) -> None:
    await alice.say(chat, "Hello")

    seen = await bob.mutate(CHANNEL, id=chat)

    members = seen.pop("members")
    assert seen.pop("createdAt").endswith("Z")
    assert seen == {
        "__typename": "Chat",
        "id": chat,
        "kind": "CHAT",
        "lastSeq": 1,
        "lastMessage": {"text": "Hello"},
        "unreadCount": 1,
        "mutedUntil": None,
        "position": {"userId": bob.id, "deliveredSeq": 0, "readSeq": 0},
        "peer": {"id": alice.id, "name": "Alice"},
    }
    assert members["pageInfo"] == {"hasNextPage": False, "hasPreviousPage": False}
    by_name = {member["user"]["name"]: member for member in members["nodes"]}
    assert by_name.keys() == {"Alice", "Bob"}
    assert by_name["Alice"]["id"] == f"mbr_{chat[4:]}_{alice.user.id}"
    assert {(each["role"], each["joinedSeq"]) for each in members["nodes"]} == {("MEMBER", 1)}
    assert (await alice.mutate(CHANNEL, id=chat))["peer"]["name"] == "Bob"


async def test_a_strangers_chat_looks_like_none_at_all(carol: Person, chat: str) -> None:
    unknown = "chn_" + UNKNOWN

    theirs, none = await carol.post(CHANNEL, id=chat), await carol.post(CHANNEL, id=unknown)

    assert theirs.status_code == none.status_code == 200
    assert theirs.content == none.content == b'{"data":{"channel":null}}'


@pytest.mark.parametrize("channel_id", ["", "chn_", "usr_" + UNKNOWN, "chn_" + "g" * 32])
async def test_an_id_of_something_else_is_no_channel(alice: Person, channel_id: str) -> None:
    assert await alice.mutate(CHANNEL, id=channel_id) is None


async def test_the_list_has_the_newest_message_first(alice: Person, person: MakePerson) -> None:
    peers = [await person(name) for name in ("Dora", "Eve", "Finn")]
    chats = [await alice.open_chat(peer) for peer in peers]
    for channel_id in chats:
        await alice.say(channel_id, "one")
    assert await listed(alice) == [chats[2], chats[1], chats[0]]

    await peers[0].say(chats[0], "two")

    page = await alice.mutate(CHANNELS)
    assert [channel["id"] for channel in page["nodes"]] == [chats[0], chats[2], chats[1]]
    assert page["nodes"][0]["lastMessage"] == {"text": "two"}
    assert [edge["node"]["id"] for edge in page["edges"]] == [chats[0], chats[2], chats[1]]
    cursors = [edge["cursor"] for edge in page["edges"]]
    assert page["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": False,
        "startCursor": cursors[0],
        "endCursor": cursors[2],
    }


async def test_the_list_leaves_out_empty_chats(alice: Person, bob: Person, chat: str) -> None:
    assert await listed(alice) == []

    await alice.say(chat, "Hello")

    assert await listed(alice) == [chat]
    assert await listed(bob) == [chat]
    assert await listed(bob, kind="CHAT") == [chat]
    assert await listed(bob, kind="GROUP") == []


async def test_the_list_is_paged_by_place(alice: Person, person: MakePerson) -> None:
    chats = []
    for n in range(5):
        chats.append(await alice.open_chat(await person(f"Peer {n}")))
        await alice.say(chats[-1], "Hello")
    chats.reverse()

    first = await alice.mutate(CHANNELS, first=2)
    after = first["pageInfo"]["endCursor"]
    second = await alice.mutate(CHANNELS, first=2, after=after)
    last = await alice.mutate(CHANNELS, first=2, after=second["pageInfo"]["endCursor"])

    found = [channel["id"] for page in (first, second, last) for channel in page["nodes"]]
    assert found == chats
    infos = [page["pageInfo"] for page in (first, second, last)]
    assert [info["hasNextPage"] for info in infos] == [True, True, False]
    assert [info["hasPreviousPage"] for info in infos] == [False, True, True]


async def test_the_list_is_paged_backwards_too(alice: Person, person: MakePerson) -> None:
    chats: list[str] = []
    for n in range(5):
        chats.insert(0, await alice.open_chat(await person(f"P{n}")))
        await alice.say(chats[0], str(n))

    oldest = await alice.mutate(CHANNELS, last=2)
    middle = await alice.mutate(CHANNELS, last=2, before=oldest["pageInfo"]["startCursor"])
    newest = await alice.mutate(CHANNELS, last=2, before=middle["pageInfo"]["startCursor"])

    pages = (newest, middle, oldest)
    assert [channel["id"] for page in pages for channel in page["nodes"]] == chats
    infos = [page["pageInfo"] for page in pages]
    assert [info["hasPreviousPage"] for info in infos] == [False, True, True]
    assert [info["hasNextPage"] for info in infos] == [True, True, False]
    assert await alice.errors(CHANNELS, first=1, last=1) == ["INVALID_INPUT"]


async def test_members_are_paged_by_place(alice: Person, chat: str) -> None:
    first = (await alice.mutate(MEMBERS, id=chat, first=1))["members"]
    after = first["pageInfo"]["endCursor"]
    second = (await alice.mutate(MEMBERS, id=chat, first=1, after=after))["members"]

    assert first["pageInfo"]["hasNextPage"] is True
    assert second["pageInfo"]["hasNextPage"] is False
    names = [edge["node"]["user"]["name"] for page in (first, second) for edge in page["edges"]]
    assert sorted(names) == ["Alice", "Bob"]
