"""Media in messages: which files one may send, and forward."""

import pytest

from models.media.media import MediaKind, MediaState
from models.postgresql.database import Database
from tests.client import Json
from tests.make import Person
from tests.uploading import (
    SEND_MEDIA,
    UNKNOWN,
    make_media,
    sees,
    send_media,
    sent_media,
    set_state,
)


async def test_a_message_may_be_files_alone_in_their_order(
    database: Database, alice: Person, chat: str
) -> None:
    media_ids = [await make_media(database, alice) for _ in range(10)]

    message = await sent_media(alice, chat, *media_ids)

    assert [each["id"] for each in message["media"]] == media_ids
    assert (message["kind"], message["text"]) == ("IMAGE", None)


@pytest.mark.parametrize("kind", MediaKind)
async def test_the_first_file_says_what_a_message_is(
    database: Database, alice: Person, chat: str, kind: MediaKind
) -> None:
    other = MediaKind.FILE if kind is MediaKind.IMAGE else MediaKind.IMAGE
    media_ids = [await make_media(database, alice, kind=each) for each in (kind, other)]

    message = await sent_media(alice, chat, *media_ids, text="Look")

    assert (message["kind"], message["text"]) == (kind.name, "Look")


async def test_a_file_may_be_sent_while_it_is_processed(
    database: Database, alice: Person, chat: str
) -> None:
    media_id = await make_media(database, alice, state=MediaState.PROCESSING)

    (media,) = (await sent_media(alice, chat, media_id))["media"]

    assert (media["state"], media["renditions"]) == ("PROCESSING", [])


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (MediaState.AWAITING_UPLOAD, "MEDIA_NOT_READY"),
        (MediaState.FAILED, "MEDIA_REJECTED"),
        (MediaState.EXPIRED, "NOT_FOUND"),
    ],
)
async def test_what_cannot_be_sent_is_named(
    database: Database, alice: Person, chat: str, media_id: str, state: MediaState, code: str
) -> None:
    unsendable = await make_media(database, alice, state=state)

    refused = await send_media(alice, chat, media_id, unsendable)

    assert (refused["code"], refused["field"]) == (code, "mediaIds.1")
    assert await database.fetchval("SELECT count(*) FROM media_uses") == 0


async def test_another_s_file_is_as_one_that_does_not_exist(
    bob: Person, chat: str, media_id: str
) -> None:
    refusals = [await send_media(bob, chat, id_) for id_ in (media_id, UNKNOWN, "med_", bob.id)]

    assert (refusals[0]["code"], refusals[0]["field"]) == ("NOT_FOUND", "mediaIds.0")
    assert all(each == refusals[0] for each in refusals)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"location": {"latitude": 1, "longitude": 2}}, "location"),
        ({"text": " "}, "text"),
        ({"mediaIds": [UNKNOWN] * 11}, "mediaIds"),
        ({"mediaIds": []}, "text"),
    ],
)
async def test_what_is_no_message_is_refused(
    alice: Person, chat: str, media_id: str, more: Json, field: str
) -> None:
    refused = await alice.send(alice.draft(chat) | {"mediaIds": [media_id]} | more)

    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", field)


async def test_a_file_is_in_a_message_once(alice: Person, chat: str, media_id: str) -> None:
    refused = await send_media(alice, chat, media_id, media_id)

    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "mediaIds.1")


async def test_a_repeated_send_is_the_first_message_whatever_became_of_its_file(
    database: Database, alice: Person, chat: str, media_id: str
) -> None:
    draft = alice.draft(chat, mediaIds=[media_id])
    first = await alice.mutate(SEND_MEDIA, input=draft)
    await set_state(database, media_id, MediaState.FAILED)

    again = await alice.mutate(SEND_MEDIA, input=draft)
    other = await alice.mutate(SEND_MEDIA, input=draft | {"mediaIds": [UNKNOWN]})

    assert (again["replayed"], again["message"]["id"]) == (True, first["message"]["id"])
    assert again["message"]["media"][0]["state"] == "FAILED"
    assert other["code"] == "CONFLICT"


async def test_what_another_sent_can_be_forwarded(
    alice: Person, bob: Person, carol: Person, chat: str, media_id: str
) -> None:
    await sent_media(alice, chat, media_id)

    forwarded = await sent_media(bob, await bob.open_chat(carol), media_id)

    assert forwarded["media"][0]["id"] == media_id
    assert await sees(carol, media_id)


async def test_what_was_forwarded_can_be_forwarded_further(
    alice: Person, bob: Person, carol: Person, chat: str, media_id: str
) -> None:
    await sent_media(alice, chat, media_id)
    await sent_media(bob, await bob.open_chat(carol), media_id)

    await sent_media(carol, await carol.open_chat(carol), media_id)


async def test_a_picture_of_somebody_cannot_be_forwarded(
    alice: Person, bob: Person, chat: str, media_id: str
) -> None:
    """It is in no message."""
    await set_picture(alice, media_id)

    assert (await send_media(bob, chat, media_id))["code"] == "NOT_FOUND"


async def set_picture(person: Person, media_id: str) -> None:
    changed = await person.mutate(
        "mutation ($id: ID!) { updateProfile(input: {avatarMediaId: $id}) { __typename } }",
        id=media_id,
    )
    assert changed["__typename"] == "UpdateProfilePayload"
