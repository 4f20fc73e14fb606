"""Deleting messages: what a deletion leaves, and who may delete."""

import pytest

from models.messages.search_index import build_search_blocks
from models.postgresql.database import Database
from tests.api.messages.changing_messages import THUMB, age, node, state
from tests.changes import (
    changed,
    delete,
    edit,
    last_seq,
    make_group,
    react,
)
from tests.make import Person

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
    await build_search_blocks(database, chat[4:], most=1)
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
                f"SELECT count(*) FROM {table} t WHERE lower(ROW(t.*)::text) LIKE '%{word}%'"
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
