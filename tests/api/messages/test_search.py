"""Searching over the API: pages of messages, to whom they are shown, and what is refused."""

from typing import Any

import pytest

from models import ids
from models.log.committer import Committer
from models.postgresql.database import Database
from tests.changes import add_members, delete, edit, make_group, remove_member
from tests.client import ApiClient
from tests.make import Person, write_history
from tests.serving import ServedWith
from tests.waiting import eventually

SEARCH = """query ($q: String!, $channel: ID, $first: Int, $after: String) {
    searchMessages(query: $q, channelId: $channel, first: $first, after: $after) {
        nodes { id text sender { name } status channel { id } replyTo { text } reactions { emoji } }
        edges { cursor node { id } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
TEXTS = """query ($q: String!, $channel: ID) {
    searchMessages(query: $q, channelId: $channel, first: 100) { nodes { text } } }"""


async def search(person: Person, query: str, **more: Any) -> Any:
    return (await person.query(SEARCH, q=query, **more))["searchMessages"]


async def texts(person: Person, query: str, **more: Any) -> list[str]:
    found = (await person.query(TEXTS, q=query, **more))["searchMessages"]["nodes"]
    return [message["text"] for message in found]


async def test_messages_are_found_whole(alice: Person, bob: Person, chat: str) -> None:
    asked = await bob.say(chat, "Tea?")
    said = await alice.say(chat, "Yes, tea!", replyToId=asked["id"])
    await bob.acknowledge(chat, delivered=2)

    found = await search(alice, "TE")

    assert found["nodes"] == [
        {
            "id": said["id"],
            "text": "Yes, tea!",
            "sender": {"name": "Alice"},
            "status": "DELIVERED",
            "channel": {"id": chat},
            "replyTo": {"text": "Tea?"},
            "reactions": [],
        },
        {
            "id": asked["id"],
            "text": "Tea?",
            "sender": {"name": "Bob"},
            "status": None,
            "channel": {"id": chat},
            "replyTo": None,
            "reactions": [],
        },
    ]
    assert [edge["node"]["id"] for edge in found["edges"]] == [said["id"], asked["id"]]
    assert found["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": False,
        "startCursor": found["edges"][0]["cursor"],
        "endCursor": found["edges"][1]["cursor"],
    }


async def test_pages_go_on_where_the_last_one_ended(
    alice: Person, bob: Person, carol: Person, chat: str
) -> None:
    """Also while more is said."""
    other = await alice.open_chat(carol)
    for n in range(10):
        await alice.say(other if n % 2 else chat, f"word {n}")

    first = await search(alice, "word", first=4)
    await alice.say(chat, "word 10")
    second = await search(alice, "word", first=4, after=first["pageInfo"]["endCursor"])
    third = await search(alice, "word", first=4, after=second["pageInfo"]["endCursor"])
    fourth = await search(alice, "word", first=4, after=third["pageInfo"]["endCursor"])

    pages = [first, second, third, fourth]
    assert [[node["text"] for node in page["nodes"]] for page in pages] == [
        ["word 9", "word 8", "word 7", "word 6"],
        ["word 5", "word 4", "word 3", "word 2"],
        ["word 1", "word 0"],
        [],
    ]
    facts = [(p["pageInfo"]["hasPreviousPage"], p["pageInfo"]["hasNextPage"]) for p in pages]
    assert facts == [(False, True), (True, True), (True, False), (True, False)]


async def test_a_message_is_found_as_soon_as_it_is_answered_and_as_it_is(
    alice: Person, bob: Person, chat: str
) -> None:
    said = await alice.say(chat, "First")
    assert await texts(bob, "first") == ["First"]

    await edit(alice, said["id"], "Second")
    assert (await texts(bob, "first"), await texts(bob, "second")) == ([], ["Second"])

    await delete(alice, said["id"])
    assert await texts(bob, "second") == []


async def test_only_the_viewers_channels_are_searched(
    alice: Person, bob: Person, carol: Person, chat: str
) -> None:
    await alice.say(chat, "For Bob")
    await alice.say(await alice.open_chat(carol), "For Carol")

    assert await texts(bob, "for") == ["For Bob"]
    assert await texts(carol, "for") == ["For Carol"]
    assert await texts(alice, "for") == ["For Carol", "For Bob"]
    assert await texts(alice, "for", channel=chat) == ["For Bob"]


async def test_only_what_came_with_the_membership_is_found(
    alice: Person, bob: Person, carol: Person
) -> None:
    """And of it nothing once it has ended, and nothing of an earlier one."""
    group = await make_group(alice, bob)
    await alice.say(group, "word 1")
    await add_members(alice, group, carol)
    await alice.say(group, "word 2")
    assert await texts(carol, "word") == ["word 2"]

    await remove_member(alice, group, carol)
    await alice.say(group, "word 3")
    assert await texts(carol, "word") == []
    assert await carol.errors(TEXTS, q="word", channel=group) == ["NOT_FOUND"]

    await add_members(alice, group, carol)
    await alice.say(group, "word 4")
    assert await texts(carol, "word") == ["word 4"]
    assert await texts(bob, "word") == ["word 4", "word 3", "word 2", "word 1"]


async def test_a_channel_of_others_is_as_one_that_does_not_exist(
    alice: Person, bob: Person, carol: Person, chat: str
) -> None:
    await alice.say(chat, "word")

    answers = [
        (await carol.post(TEXTS, q="word", channel=channel_id)).content
        for channel_id in (chat, "chn_" + "0" * 32, bob.id, "word", "")
    ]

    assert len(set(answers)) == 1
    assert b"NOT_FOUND" in answers[0]


@pytest.mark.parametrize(
    ("variables", "field"),
    [
        ({"q": ""}, "query"),
        ({"q": " "}, "query"),
        ({"q": "x" * 201}, "query"),
        ({"q": "a* " * 3400}, "query"),
        ({"q": "a b c d e f g h i j k"}, "query"),
        ({"q": "word", "first": 0}, "first"),
        ({"q": "word", "first": 101}, "first"),
        ({"q": "word", "after": ""}, "after"),
        ({"q": "word", "after": "Zjox"}, "after"),
        ({"q": "word", "after": "czox"}, "after"),
    ],
)
async def test_what_is_no_search_is_refused(
    alice: Person, variables: dict[str, Any], field: str
) -> None:
    answer = (await alice.post(SEARCH, **variables)).json()

    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "INVALID_INPUT"
    assert error["extensions"]["field"] == field


async def test_a_cursor_of_another_list_is_none_of_this(
    alice: Person, chat: str, database: Database
) -> None:
    await alice.say(chat, "word")
    page = """query ($id: ID!) { channel(id: $id) { messages { pageInfo { endCursor } } } }"""
    cursor = (await alice.query(page, id=chat))["channel"]["messages"]["pageInfo"]["endCursor"]

    assert await alice.errors(SEARCH, q="word", after=cursor) == ["INVALID_INPUT"]


async def test_nobody_searches_without_signing_in(alice: Person) -> None:
    assert await ApiClient(alice.server).errors(TEXTS, q="word") == ["UNAUTHENTICATED"]


async def test_what_takes_too_long_is_unavailable(
    alice: Person, chat: str, served_with: ServedWith
) -> None:
    await alice.say(chat, "word")

    async with served_with(search_deadline_s=0.0) as server:
        assert await alice.at(server).errors(TEXTS, q="word") == ["UNAVAILABLE"]


async def test_who_writes_the_last_entry_of_a_block_has_it_indexed(
    alice: Person, bob: Person, chat: str, database: Database, committer: Committer
) -> None:
    """Whether it is a message or a change."""
    await write_history(committer, alice, chat, 127)
    await alice.say(chat, "128")

    async def built_seq() -> int:
        built: int = await database.fetchval("SELECT coalesce(max(built_seq), 0) FROM search_heads")
        return built

    await eventually(lambda: _is(built_seq, 128))

    said = await alice.say(chat, "129")
    for n in range(126):
        await alice.say(chat, str(n))
    inner_id = ids.parse_plain("chn", chat)
    assert await database.fetchval("SELECT last_seq FROM channels WHERE id = $1", inner_id) == 255
    await edit(alice, said["id"], "The change that is entry 256")

    await eventually(lambda: _is(built_seq, 256))
    assert await texts(bob, "entry") == ["The change that is entry 256"]


async def _is(read: Any, value: int) -> bool:
    return bool(await read() == value)
