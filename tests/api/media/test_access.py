"""Media in messages: who sees them."""

from models import ids
from models.postgresql.database import Database
from tests.changes import delete
from tests.groups import ADD, join, make_group, make_invite, remove
from tests.make import REFUSAL, Person
from tests.uploading import (
    MESSAGE_MEDIA,
    NODE,
    SEND_MEDIA,
    UNKNOWN,
    list_jobs,
    sees,
    send_media,
    sent_media,
)

BLOCK = f"""mutation ($id: ID!) {{ setBlocked(userId: $id, blocked: true) {{
    __typename {REFUSAL} }} }}"""


async def test_members_see_it_and_strangers_see_nothing(
    alice: Person, bob: Person, carol: Person, chat: str, media_id: str
) -> None:
    await sent_media(alice, chat, media_id)

    assert await sees(alice, media_id)
    assert await sees(bob, media_id)
    nothing = await carol.post(NODE, id=UNKNOWN)
    assert (await carol.post(NODE, id=media_id)).content == nothing.content


async def test_a_file_that_is_in_nothing_is_its_owner_s(
    alice: Person, bob: Person, media_id: str
) -> None:
    assert await sees(alice, media_id)
    assert not await sees(bob, media_id)


async def test_one_who_left_sees_it_no_more(
    alice: Person, bob: Person, carol: Person, media_id: str
) -> None:
    group = await make_group(alice, bob, carol)
    await sent_media(alice, group, media_id)
    assert await sees(bob, media_id)

    await remove(alice, group, bob)

    assert not await sees(bob, media_id)
    assert (await send_media(bob, await bob.open_chat(bob), media_id))["code"] == "NOT_FOUND"


async def test_one_who_joined_later_does_not_see_it(
    alice: Person, bob: Person, carol: Person, media_id: str
) -> None:
    group = await make_group(alice, bob)
    await sent_media(alice, group, media_id)
    await join(carol, await make_invite(alice, group))

    assert not await sees(carol, media_id)

    await sent_media(alice, group, media_id)
    assert await sees(carol, media_id)


async def test_one_who_was_removed_and_added_again_sees_only_what_came_since(
    alice: Person, bob: Person, media_id: str
) -> None:
    group = await make_group(alice, bob)
    await sent_media(alice, group, media_id)
    await remove(alice, group, bob)
    await alice.mutate(ADD, groupId=group, userIds=[bob.id])

    assert not await sees(bob, media_id)


async def test_a_block_does_not_take_back_what_was_sent(
    alice: Person, bob: Person, chat: str, media_id: str
) -> None:
    """As the message itself."""
    await sent_media(alice, chat, media_id)
    await alice.mutate(BLOCK, id=bob.id)

    assert await sees(bob, media_id)


async def test_a_deleted_message_shows_nothing_and_lets_go(
    database: Database, alice: Person, bob: Person, chat: str, media_id: str
) -> None:
    message = await sent_media(alice, chat, media_id)

    await delete(alice, message["id"])

    assert not await sees(bob, media_id)
    assert (await bob.mutate(MESSAGE_MEDIA, id=message["id"]))["media"] == []
    assert len(await list_jobs(database, "media_release", media_id)) == 1


async def test_what_was_forwarded_stays_when_the_first_message_is_deleted(
    alice: Person, bob: Person, carol: Person, chat: str, media_id: str
) -> None:
    message = await sent_media(alice, chat, media_id)
    await sent_media(bob, await bob.open_chat(carol), media_id)

    await delete(alice, message["id"])

    assert await sees(carol, media_id)
    assert await sees(bob, media_id)


async def test_a_send_that_was_refused_shows_nothing_to_anybody(
    database: Database, alice: Person, bob: Person, chat: str, media_id: str
) -> None:
    """Its use is written, and speaks of a message that never came."""
    nowhere = ids.message_global_id(await database.fetchval("SELECT id FROM channels"), 999)

    refused = await send_media(alice, chat, media_id, replyToId=nowhere)

    assert (refused["code"], refused["field"]) == ("NOT_FOUND", "replyToId")
    assert await database.fetchval("SELECT count(*) FROM media_uses") == 1
    assert not await sees(bob, media_id)


async def test_what_a_stranger_sends_is_refused_before_its_use_is_written(
    database: Database, alice: Person, bob: Person, carol: Person, media_id: str
) -> None:
    chat = await bob.open_chat(carol)

    assert (await send_media(alice, chat, media_id))["code"] == "NOT_FOUND"

    assert await database.fetchval("SELECT count(*) FROM media_uses") == 0
    await bob.say(chat, "a message, and none with it")
    assert not await sees(carol, media_id)


async def test_a_message_without_the_file_does_not_show_it(
    database: Database, alice: Person, bob: Person, chat: str, media_id: str
) -> None:
    """Though the use speaks of just that message: it was stored without."""
    draft = alice.draft(chat, "no files")
    await alice.send(draft)

    refused = await alice.mutate(SEND_MEDIA, input=draft | {"mediaIds": [media_id]})

    assert refused["code"] == "CONFLICT"
    assert await database.fetchval("SELECT count(*) FROM media_uses") == 1
    assert not await sees(bob, media_id)
