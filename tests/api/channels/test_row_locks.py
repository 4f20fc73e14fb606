"""Who may not write to a channel is answered while somebody else holds its row, and what a member
wrote waits: by the time that it takes, nobody can tell that there is a channel.
"""

import asyncio
from typing import Any

import pytest

from models.postgresql.database import Database
from tests.changes import DELETE, EDIT, REACT
from tests.groups import JOIN, UNKNOWN, UPDATE, join, make_group, make_invite, remove
from tests.held import held
from tests.locks import count_waiting
from tests.make import SEND, Person
from tests.serving import ServedWith
from tests.uploading import make_media, send_media
from tests.waiting import eventually

UNKNOWN_MESSAGE = "msg_" + "0" * 32 + "_1"


def ask(person: Person, document: str, place: str) -> Any:
    """`place` is a channel's id for a send, a message's for the others."""
    if document == SEND:
        return person.post(document, input=person.draft(place, "hi") | {"clientMessageId": "one"})
    more = {EDIT: {"text": "edited"}, DELETE: {}, REACT: {"emoji": "👍"}}[document]
    return person.post(document, id=place, **more)


@pytest.mark.parametrize(
    "document", [SEND, EDIT, DELETE, REACT], ids=["send", "edit", "delete", "react"]
)
async def test_a_stranger_is_answered_while_a_member_waits(
    database: Database,
    database_url: str,
    alice: Person,
    carol: Person,
    chat: str,
    document: str,
) -> None:
    said = (await alice.say(chat, "hello"))["id"]
    place, unknown = (chat, UNKNOWN) if document == SEND else (said, UNKNOWN_MESSAGE)

    async with held(database_url, [chat]):
        waits = asyncio.create_task(ask(alice, document, place))
        assert await eventually(lambda: count_waiting(database))
        found = await ask(carol, document, place)
        nothing = await ask(carol, document, unknown)
        assert not waits.done()

    assert found.content == nothing.content
    assert found.json()["data"].popitem()[1]["code"] == "NOT_FOUND"
    (answer,) = (await waits).json()["data"].values()
    assert answer["__typename"] != "Refusal", answer


async def test_a_stranger_is_answered_while_drafts_of_members_wait_behind_the_row(
    database: Database, database_url: str, alice: Person, bob: Person, carol: Person, chat: str
) -> None:
    """The channel is on the committer's waiting side; a stranger's draft does not join it."""
    for each in (alice, bob):
        await each.say(chat, "known from now on")

    async with held(database_url, [chat]):
        waits = [asyncio.create_task(ask(each, SEND, chat)) for each in (alice, bob)]
        assert await eventually(lambda: count_waiting(database))
        found = [(await ask(carol, SEND, chat)).content for _ in range(5)]
        assert not any(wait.done() for wait in waits)

    assert found == [(await ask(carol, SEND, UNKNOWN)).content] * 5
    assert [(await wait).json()["data"]["sendMessage"]["replayed"] for wait in waits] == [False] * 2


async def test_a_chat_that_was_never_opened_is_as_none_while_its_row_is_held(
    database: Database, database_url: str, alice: Person, bob: Person
) -> None:
    """Alice blocked Bob, whom she never talked to: there is a row, and nothing shows it."""
    await alice.mutate(
        "mutation ($id: ID!) { setBlocked(userId: $id, blocked: true) { __typename } }", id=bob.id
    )
    chat = await database.fetchval("SELECT id FROM channels")

    async with held(database_url, [f"chn_{chat}"]):
        found = await ask(bob, SEND, f"chn_{chat}")
        nothing = await ask(bob, SEND, UNKNOWN)

    assert found.content == nothing.content


async def test_one_who_left_is_answered_at_once_and_their_repeat_is_replayed(
    database: Database, database_url: str, alice: Person, bob: Person
) -> None:
    group = await make_group(alice, bob)
    draft = bob.draft(group, "before")
    first = await bob.send(draft)
    with_file = bob.draft(group, mediaIds=[await make_media(database, bob)])
    assert (await bob.send(with_file))["replayed"] is False
    await remove(alice, group, bob)
    # The process that knew Bob as a member learns better by this.
    assert (await bob.send(bob.draft(group, "too late")))["code"] == "NOT_FOUND"

    again = await bob.send(draft)
    file_again = await bob.send(with_file)
    async with held(database_url, [group]):
        refused = await ask(bob, SEND, group)
        nothing = await ask(bob, SEND, UNKNOWN)

    assert again == first | {"replayed": True}
    assert file_again["replayed"] is True
    assert refused.content == nothing.content


@pytest.mark.parametrize("ended", ["revoked", "full"])
async def test_an_invite_that_lets_nobody_in_is_refused_while_the_group_is_held(
    database: Database, database_url: str, alice: Person, carol: Person, ended: str
) -> None:
    group = await make_group(alice)
    token = await make_invite(alice, group)
    if ended == "revoked":
        await database.execute("UPDATE invites SET revoked_at = now()")
    else:
        await fill(database, group)

    async with held(database_url, [group]):
        refused = await join(carol, token)

    assert refused["code"] == {"revoked": "INVITE_EXPIRED", "full": "GROUP_FULL"}[ended]


async def fill(database: Database, group: str) -> None:
    await database.execute(
        "INSERT INTO members (channel_id, user_id, role, joined_at, joined_seq) "
        "SELECT $1, md5(n::text)::uuid, 1, now(), 1 FROM generate_series(1, 99) AS n",
        group.removeprefix("chn_"),
    )


async def test_who_is_in_a_group_joins_it_again_without_its_row(
    database_url: str, alice: Person, bob: Person
) -> None:
    group = await make_group(alice, bob)
    token = await make_invite(alice, group)

    async with held(database_url, [group]):
        joined = await bob.mutate(JOIN, input={"inviteToken": token})

    assert joined["group"]["id"] == group


async def uses_of(database: Database, media_id: str) -> int:
    count: int = await database.fetchval(
        "SELECT count(*) FROM media_uses WHERE media_id = $1", media_id.removeprefix("med_")
    )
    return count


async def test_a_picture_is_claimed_only_by_who_may_change_the_group(
    database: Database, alice: Person, bob: Person, carol: Person
) -> None:
    group = await make_group(alice, bob)

    for person, code in ((bob, "FORBIDDEN"), (carol, "NOT_FOUND")):
        media_id = await make_media(database, person)
        update = {"groupId": group, "avatarMediaId": media_id}
        assert (await person.mutate(UPDATE, input=update))["code"] == code
        assert await uses_of(database, media_id) == 0


async def test_a_file_is_claimed_only_for_a_channel_that_its_sender_may_write_to(
    database: Database, alice: Person, bob: Person, carol: Person, chat: str
) -> None:
    group = await make_group(alice, bob)
    await bob.say(group, "known here")
    await remove(alice, group, bob)
    await alice.mutate(
        "mutation ($id: ID!) { setBlocked(userId: $id, blocked: true) { __typename } }", id=bob.id
    )

    for person, channel_id, code in (
        (carol, chat, "NOT_FOUND"),
        (carol, UNKNOWN, "NOT_FOUND"),
        (bob, group, "NOT_FOUND"),
        (bob, chat, "BLOCKED"),
    ):
        media_id = await make_media(database, person)
        assert (await send_media(person, channel_id, media_id))["code"] == code
        assert await uses_of(database, media_id) == 0


async def test_changes_that_wait_for_one_row_leave_connections_for_everybody_else(
    served_with: ServedWith, database: Database, database_url: str, alice: Person, bob: Person
) -> None:
    """A process has two here. Whatever waits for a channel's row takes one of them at most."""
    chat, other = await alice.open_chat(bob), await alice.open_chat(alice)
    said = (await alice.say(chat, "hello"))["id"]

    async with served_with(connections=2) as server:
        here = alice.at(server)
        async with held(database_url, [chat]):
            edits = [asyncio.create_task(here.post(EDIT, id=said, text=f"{n}")) for n in range(6)]
            assert await eventually(lambda: count_waiting(database))
            note = (await here.say(other, "meanwhile"))["id"]
            edited = await here.mutate(EDIT, id=note, text="edited meanwhile")
            assert edited["message"]["text"] == "edited meanwhile"
            assert not any(edit.done() for edit in edits)

        first, *_ = await asyncio.gather(*edits)
        assert first.json()["data"]["editMessage"]["__typename"] == "MessagePayload"
