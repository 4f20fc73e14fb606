"""Editing and reacting, and what cannot be changed."""

import pytest

from models.postgresql.database import Database
from tests.api.messages.changing_messages import BLOCK, CHANGES, HEART, THUMB, UNKNOWN, age, node
from tests.changes import (
    DELETE,
    EDIT,
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
