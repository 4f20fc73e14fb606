"""Editing, deleting and reacting: what changes, who may, and what changes nothing."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from models.database import Database
from tests.changes import (
    DELETE,
    EDIT,
    MESSAGE,
    REACT,
    add_members,
    changed,
    delete,
    edit,
    last_seq,
    make_group,
    react,
    remove_member,
)
from tests.client import ApiClient
from tests.make import Person

THUMB, HEART = "\U0001f44d", "\u2764\ufe0f"
UNKNOWN = "0" * 32

NODE = f"query ($id: ID!) {{ node(id: $id) {{ ... on Message {{ {MESSAGE} }} }} }}"
STATE = """query ($id: ID!) { channel(id: $id) { lastSeq unreadCount lastMessage {
    id text deletedAt } messages { nodes { id text } } } }"""
BLOCK = """mutation ($id: ID!) { setBlocked(userId: $id, blocked: true) { __typename } }"""

Change = Callable[[Person, str], Awaitable[Any]]


async def edit_it(person: Person, message_id: str) -> Any:
    return await edit(person, message_id, "Something else")


async def react_to_it(person: Person, message_id: str) -> Any:
    return await react(person, message_id, THUMB)


CHANGES: dict[str, Change] = {"edit": edit_it, "delete": delete, "react": react_to_it}


async def node(person: Person, message_id: str) -> Any:
    return (await person.query(NODE, id=message_id))["node"]


async def state(person: Person, channel_id: str) -> Any:
    return (await person.query(STATE, id=channel_id))["channel"]


async def age(database: Database, seconds: float) -> None:
    """Let everything have been sent so much earlier."""
    await database.execute(
        "UPDATE messages SET sent_at = sent_at - make_interval(secs => $1)", seconds
    )


# -------------------------------------------------------------------- editing


async def test_an_edit_changes_the_text_and_says_when(
    alice: Person, bob: Person, chat: str, database: Database
) -> None:
    said = await alice.say(chat, "Helo", mentions=[bob.id])

    message = changed(await edit(alice, said["id"], "Hello"))

    assert (message["text"], message["seq"], message["mentions"]) == ("Hello", 1, [bob.id])
    assert message["editedAt"] is not None
    assert await node(bob, said["id"]) == message
    assert await last_seq(database, chat) == 2


async def test_the_text_that_a_message_has_changes_nothing(
    alice: Person, chat: str, database: Database
) -> None:
    """So that an edit can be repeated whose answer was lost, even at the end of its time."""
    said = await alice.say(chat, "Helo")
    first = await edit(alice, said["id"], "Hello")
    await age(database, 2000)

    again = await edit(alice, said["id"], "Hello")

    assert again == first
    assert await last_seq(database, chat) == 2


@pytest.mark.parametrize(("age_s", "closed"), [(890, False), (901, True)])
async def test_a_message_can_be_edited_for_15_minutes(
    alice: Person, chat: str, database: Database, age_s: float, closed: bool
) -> None:
    said = await alice.say(chat, "Helo")
    await age(database, age_s)

    edited = await edit(alice, said["id"], "Hello")

    assert edited.get("code") == ("EDIT_WINDOW_CLOSED" if closed else None)
    assert (await node(alice, said["id"]))["text"] == ("Helo" if closed else "Hello")
    assert await last_seq(database, chat) == (1 if closed else 2)


@pytest.mark.parametrize("text", ["", " \n\t", "x" * 4097, "a\x07b"])
async def test_an_edit_is_a_text_as_one_that_is_sent(
    alice: Person, chat: str, database: Database, text: str
) -> None:
    said = await alice.say(chat, "Hello")

    refused = await edit(alice, said["id"], text)

    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "text")
    assert await last_seq(database, chat) == 1


async def test_the_text_beside_a_location_can_be_edited(alice: Person, chat: str) -> None:
    place = {"latitude": 1.5, "longitude": 2.5}
    said = await alice.say(chat, "Hree", location=place)

    message = changed(await edit(alice, said["id"], "Here"))

    assert (message["kind"], message["text"], message["location"]) == (
        "LOCATION",
        "Here",
        {"latitude": 1.5},
    )


async def test_only_the_sender_edits(
    alice: Person, bob: Person, chat: str, database: Database
) -> None:
    said = await alice.say(chat, "Hello")

    refused = await edit(bob, said["id"], "Bye")

    assert (refused["code"], refused["field"]) == ("FORBIDDEN", "messageId")
    assert (await node(alice, said["id"]))["text"] == "Hello"
    assert await last_seq(database, chat) == 1


async def test_a_repeated_send_is_compared_with_the_draft_as_it_was_first_sent(
    alice: Person, chat: str
) -> None:
    draft = alice.draft(chat, "Helo")
    first = await alice.send(draft)
    await edit(alice, first["message"]["id"], "Hello")

    again = await alice.send(draft)
    as_edited = await alice.send({**draft, "text": "Hello"})

    assert (again["replayed"], again["message"]["text"]) == (True, "Hello")
    assert as_edited["code"] == "CONFLICT"


# -------------------------------------------------------------------- deleting


async def test_a_deletion_leaves_a_tombstone(
    alice: Person, bob: Person, chat: str, database: Database
) -> None:
    said = await alice.say(
        chat, "Secret", mentions=[bob.id], location={"latitude": 1.5, "longitude": 2.5}
    )
    await react(bob, said["id"], THUMB)

    message = changed(await delete(alice, said["id"]))

    assert message["deletedAt"] is not None
    assert message | {"deletedAt": None} == {
        "id": said["id"],
        "seq": 1,
        "kind": "LOCATION",
        "text": None,
        "editedAt": None,
        "mentions": [],
        "location": None,
        "reactions": [],
        "replyTo": None,
        "deletedAt": None,
    }
    assert await node(bob, said["id"]) == message
    assert await last_seq(database, chat) == 3


async def test_what_is_deleted_is_gone_from_the_database(
    alice: Person, bob: Person, chat: str, database: Database
) -> None:
    """From whatever table and column: each row is looked at as text."""
    said = await alice.say(
        chat,
        "Rumpelstiltskin",
        location={"latitude": 1.5, "longitude": 2.5, "label": "Rumpelstiltskin's house"},
    )
    for n in range(127):
        await alice.say(chat, str(n))
    await database.execute("SELECT build_search_blocks(id, 1) FROM channels")
    tables = [
        row[0]
        for row in await database.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
    ]

    async def holding(word: str) -> list[str]:
        return [
            table
            for table in tables
            if await database.fetchval(
                f"SELECT EXISTS (SELECT FROM {table} t WHERE lower(t::text) LIKE '%{word}%')"
            )
        ]

    assert sorted(await holding("rumpelstiltskin")) == ["messages", "search_blocks"]

    await edit(alice, said["id"], "Kaspar")
    assert await holding("kaspar") == await holding("rumpelstiltskin") + ["search_blocks"]
    await delete(alice, said["id"])

    assert await holding("rumpelstiltskin") == await holding("kaspar") == []
    assert await holding("alice-1") == ["messages"]


async def test_deleting_again_changes_nothing(alice: Person, chat: str, database: Database) -> None:
    said = await alice.say(chat, "Hello")
    first = await delete(alice, said["id"])

    assert await delete(alice, said["id"]) == first
    assert await last_seq(database, chat) == 2


async def test_ones_own_can_be_deleted_at_any_time(
    alice: Person, chat: str, database: Database
) -> None:
    said = await alice.say(chat, "Hello")
    await age(database, 10 * 365 * 24 * 3600)

    assert changed(await delete(alice, said["id"]))["deletedAt"] is not None


async def test_the_other_of_a_chat_does_not_delete(
    alice: Person, bob: Person, chat: str, database: Database
) -> None:
    said = await alice.say(chat, "Hello")

    refused = await delete(bob, said["id"])

    assert (refused["code"], refused["field"]) == ("FORBIDDEN", "messageId")
    assert await last_seq(database, chat) == 1


@pytest.mark.parametrize(("role", "may"), [(1, False), (2, True), (3, True)])
async def test_who_runs_a_group_deletes_what_others_said(
    alice: Person, bob: Person, database: Database, role: int, may: bool
) -> None:
    group = await make_group(alice, bob)
    said = await alice.say(group, "Hello")
    await database.execute("UPDATE members SET role = $1 WHERE user_id = $2", role, bob.user.id)

    deleted = await delete(bob, said["id"])

    assert deleted.get("code") == (None if may else "FORBIDDEN")
    assert ((await node(alice, said["id"]))["deletedAt"] is not None) == may


async def test_a_deleted_message_is_not_unread_but_still_the_last(
    alice: Person, bob: Person, chat: str
) -> None:
    await alice.say(chat, "Hello")
    said = await alice.say(chat, "Oops")
    assert (await state(bob, chat))["unreadCount"] == 2

    await delete(alice, said["id"])

    after = await state(bob, chat)
    assert (after["unreadCount"], after["lastSeq"]) == (1, 3)
    assert (after["lastMessage"]["id"], after["lastMessage"]["text"]) == (said["id"], None)
    assert after["lastMessage"]["deletedAt"] is not None


async def test_a_reply_shows_a_deleted_original_as_deleted(
    alice: Person, bob: Person, chat: str
) -> None:
    asked = await alice.say(chat, "Tea?")
    answer = await bob.say(chat, "Yes!", replyToId=asked["id"])
    await delete(alice, asked["id"])

    original = (await node(bob, answer["id"]))["replyTo"]

    assert (original["id"], original["text"]) == (asked["id"], None)
    assert original["deletedAt"] is not None


async def test_a_repeated_send_of_a_deleted_message_is_answered_with_the_tombstone(
    alice: Person, chat: str
) -> None:
    draft = alice.draft(chat, "Hello")
    first = await alice.send(draft)
    await delete(alice, first["message"]["id"])

    again = await alice.send(draft)

    assert (again["replayed"], again["message"]["text"]) == (True, None)
    assert again["message"]["id"] == first["message"]["id"]


# -------------------------------------------------------------------- reacting


async def test_a_member_has_one_reaction(
    alice: Person, bob: Person, chat: str, database: Database
) -> None:
    said = await alice.say(chat, "Hello")

    await react(alice, said["id"], THUMB)
    both = changed(await react(bob, said["id"], THUMB))
    replaced = changed(await react(alice, said["id"], HEART))
    taken = changed(await react(bob, said["id"], None))

    assert both["reactions"] == [{"emoji": THUMB, "count": 2, "userIds": [alice.id, bob.id]}]
    assert replaced["reactions"] == [
        {"emoji": THUMB, "count": 1, "userIds": [bob.id]},
        {"emoji": HEART, "count": 1, "userIds": [alice.id]},
    ]
    assert taken["reactions"] == [{"emoji": HEART, "count": 1, "userIds": [alice.id]}]
    assert taken["editedAt"] is None
    assert await node(alice, said["id"]) == taken
    assert await last_seq(database, chat) == 5


async def test_the_same_reaction_again_and_taking_back_none_change_nothing(
    alice: Person, bob: Person, chat: str, database: Database
) -> None:
    said = await alice.say(chat, "Hello")
    first = await react(bob, said["id"], THUMB)

    assert await react(bob, said["id"], THUMB) == first
    assert await react(alice, said["id"], None) == first
    assert await last_seq(database, chat) == 2


@pytest.mark.parametrize("emoji", ["", "ok", "\U0001f44d\U0001f44d", "\x07"])
async def test_a_reaction_is_one_emoji(
    alice: Person, chat: str, database: Database, emoji: str
) -> None:
    said = await alice.say(chat, "Hello")

    refused = await react(alice, said["id"], emoji)

    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "emoji")
    assert await last_seq(database, chat) == 1


# -------------------------------------------------------------------- what cannot be changed


@pytest.mark.parametrize("change", ["edit", "react"])
async def test_a_deleted_message_cannot_be_changed(
    alice: Person, chat: str, database: Database, change: str
) -> None:
    said = await alice.say(chat, "Hello")
    await delete(alice, said["id"])

    refused = await CHANGES[change](alice, said["id"])

    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "messageId")
    assert await last_seq(database, chat) == 2


@pytest.mark.parametrize("change", CHANGES)
async def test_what_the_channel_says_cannot_be_changed(
    alice: Person, bob: Person, database: Database, change: str
) -> None:
    group = await make_group(alice, bob)

    refused = await CHANGES[change](alice, f"msg_{group[4:]}_1")

    assert (refused["code"], refused["field"]) == ("FORBIDDEN", "messageId")
    assert await last_seq(database, group) == 1


@pytest.mark.parametrize("change", CHANGES)
async def test_what_may_not_be_seen_is_as_what_does_not_exist(
    alice: Person, bob: Person, carol: Person, database: Database, change: str
) -> None:
    """For a stranger, for one who was removed, for one who joined later; no seq is taken."""
    group = await make_group(alice, bob)
    said = await alice.say(group, "Hello")
    before = await CHANGES[change](carol, said["id"])
    await add_members(alice, group, carol)
    seq = await last_seq(database, group)

    later = await CHANGES[change](carol, said["id"])
    own = await carol.say(group, "Hi")
    await remove_member(alice, group, carol)
    removed = await CHANGES[change](carol, own["id"])
    invented = [
        await CHANGES[change](carol, message_id)
        for message_id in (f"msg_{UNKNOWN}_1", f"msg_{group[4:]}_99", f"msg_{group[4:]}", "", group)
    ]

    assert before["code"] == "NOT_FOUND"
    assert all(answer == before for answer in (later, removed, *invented))
    assert await last_seq(database, group) == seq + 2


@pytest.mark.parametrize("who", ["the one who blocks", "the one who is blocked"])
async def test_a_block_keeps_edits_and_reactions_out_of_the_chat(
    alice: Person, bob: Person, chat: str, database: Database, who: str
) -> None:
    """Deleting takes something out, and what one has said stays one's own."""
    mine, theirs = await alice.say(chat, "Hello"), await bob.say(chat, "Hi")
    blocker, blocked = (alice, bob) if who == "the one who blocks" else (bob, alice)
    assert (await blocker.mutate(BLOCK, id=blocked.id))["__typename"] == "SetBlockedPayload"

    edited = await edit(alice, mine["id"], "Bye")
    reacted = [await react(alice, each["id"], THUMB) for each in (mine, theirs)]

    assert [each["code"] for each in (edited, *reacted)] == ["BLOCKED"] * 3
    assert await last_seq(database, chat) == 2
    assert changed(await delete(alice, mine["id"]))["text"] is None


async def test_a_block_does_not_reach_into_a_group(alice: Person, bob: Person) -> None:
    group = await make_group(alice, bob)
    said = await alice.say(group, "Hello")
    await bob.mutate(BLOCK, id=alice.id)

    assert changed(await edit(alice, said["id"], "Bye"))["text"] == "Bye"
    assert len(changed(await react(bob, said["id"], THUMB))["reactions"]) == 1


@pytest.mark.parametrize("document", [EDIT, DELETE, REACT])
async def test_a_change_needs_a_viewer(alice: Person, chat: str, document: str) -> None:
    said = await alice.say(chat, "Hello")
    variables = {"id": said["id"], **({"text": "Bye"} if document == EDIT else {})}

    assert await ApiClient(alice.server).errors(document, **variables) == ["UNAUTHENTICATED"]
    assert (await node(alice, said["id"]))["text"] == "Hello"


async def test_what_an_answer_replies_to_is_shown_only_to_whom_it_was_said(
    alice: Person, bob: Person, carol: Person
) -> None:
    """The entry of a change knows the original for all of its recipients; its answer must not."""
    group = await make_group(alice, bob)
    secret = await alice.say(group, "Before Carol")
    await add_members(alice, group, carol)
    reply = await alice.say(group, "After", replyToId=secret["id"])

    reacted = changed(await react(carol, reply["id"], THUMB))

    assert reacted["replyTo"] is None
    assert changed(await react(bob, reply["id"], THUMB))["replyTo"]["text"] == "Before Carol"


async def test_several_changes_in_one_document_each_show_what_they_left(
    alice: Person, chat: str
) -> None:
    said = await alice.say(chat, "1")
    document = """mutation ($id: ID!) {
        a: editMessage(messageId: $id, text: "2") { ... on MessagePayload { message { text
            channel { lastSeq lastMessage { text } } } } }
        b: editMessage(messageId: $id, text: "3") { ... on MessagePayload { message { text
            channel { lastSeq lastMessage { text } } } } } }"""

    answer = await alice.query(document, id=said["id"])

    assert answer["a"]["message"] == {
        "text": "2",
        "channel": {"lastSeq": 2, "lastMessage": {"text": "2"}},
    }
    assert answer["b"]["message"] == {
        "text": "3",
        "channel": {"lastSeq": 3, "lastMessage": {"text": "3"}},
    }
