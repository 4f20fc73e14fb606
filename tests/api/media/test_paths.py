"""Media in messages: every path that leads to them, and what is noted of their devices."""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from models.media.media import MediaKind
from models.postgresql.database import Database
from tests.changes import edit, react
from tests.client import Json
from tests.make import REFUSAL, Person
from tests.serving import ServedWith
from tests.uploading import (
    MEDIA,
    MESSAGE_MEDIA,
    NODE,
    UNKNOWN,
    list_jobs,
    make_media,
    sent_media,
)

STORED = f"""mutation ($input: AcknowledgeInput!) {{ acknowledge(input: $input) {{
    __typename {REFUSAL} }} }}"""


OF = "id media { id state }"


Path = Callable[[Person, Person, str, Json], Awaitable[Json]]


async def _page(alice: Person, bob: Person, chat: str, message: Json) -> Json:
    found = await bob.mutate(
        f"query ($id: ID!) {{ channel(id: $id) {{ messages {{ nodes {{ {OF} }} }} }} }}", id=chat
    )
    return found["messages"]["nodes"][0]  # type: ignore[no-any-return]


async def _last(alice: Person, bob: Person, chat: str, message: Json) -> Json:
    found = await bob.mutate(f"query {{ channels {{ nodes {{ lastMessage {{ {OF} }} }} }} }}")
    return found["nodes"][0]["lastMessage"]  # type: ignore[no-any-return]


async def _node(alice: Person, bob: Person, chat: str, message: Json) -> Json:
    found: Json = await bob.mutate(
        f"query ($id: ID!) {{ node(id: $id) {{ ... on Message {{ {OF} }} }} }}", id=message["id"]
    )
    return found


async def _found(alice: Person, bob: Person, chat: str, message: Json) -> Json:
    found = await bob.mutate(
        f'query {{ searchMessages(query: "holidays") {{ nodes {{ {OF} }} }} }}'
    )
    return found["nodes"][0]  # type: ignore[no-any-return]


async def _replied(alice: Person, bob: Person, chat: str, message: Json) -> Json:
    reply = await bob.say(chat, "Nice", replyToId=message["id"])
    found = await alice.mutate(
        f"query ($id: ID!) {{ node(id: $id) {{ ... on Message {{ replyTo {{ {OF} }} }} }} }}",
        id=reply["id"],
    )
    return found["replyTo"]  # type: ignore[no-any-return]


async def _changed(alice: Person, bob: Person, chat: str, message: Json) -> Json:
    changed = await bob.mutate(
        f"""mutation ($id: ID!) {{ react(messageId: $id, emoji: "👍") {{
        ... on MessagePayload {{ message {{ {OF} }} }} }} }}""",
        id=message["id"],
    )
    return changed["message"]  # type: ignore[no-any-return]


PATHS = {
    "a page": _page,
    "the last message": _last,
    "node": _node,
    "a search": _found,
    "what is replied to": _replied,
    "a change's answer": _changed,
}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
async def test_every_way_to_a_message_leads_to_its_files(
    alice: Person, bob: Person, chat: str, media_id: str, path: Path
) -> None:
    message = await sent_media(alice, chat, media_id, text="holidays")

    found = await path(alice, bob, chat, message)

    assert found == {"id": message["id"], "media": [{"id": media_id, "state": "READY"}]}


async def test_changes_leave_files_as_they_are(
    alice: Person, bob: Person, chat: str, media_id: str
) -> None:
    message = await sent_media(alice, chat, media_id, text="holidays")

    await edit(alice, message["id"], "Holidays")
    await react(bob, message["id"], "👍")

    found = await bob.mutate(MESSAGE_MEDIA, id=message["id"])
    assert found["media"] == [{"id": media_id, "state": "READY"}]


async def test_renditions_are_signed_for_whoever_sees_the_message(
    alice: Person, bob: Person, chat: str, media_id: str
) -> None:
    (media,) = (await sent_media(alice, chat, media_id))["media"]
    seen = await bob.mutate(NODE, id=media_id)

    (rendition,) = seen["renditions"]
    query = parse_qs(urlsplit(rendition["url"]).query)
    assert (rendition["name"], rendition["contentType"]) == ("THUMBNAIL", "image/webp")
    assert query["response-content-type"] == ["image/webp"]
    assert query["response-content-disposition"] == ["inline"]
    assert media["renditions"] == seen["renditions"]
    assert rendition["urlExpiresAt"] > media["renditions"][0]["urlExpiresAt"][:10]


async def test_a_file_is_saved_under_its_name(
    database: Database, alice: Person, bob: Person, chat: str
) -> None:
    media_id = await make_media(database, alice, kind=MediaKind.FILE, file_name="../План.pdf")
    await sent_media(alice, chat, media_id)

    media = await bob.mutate(NODE, id=media_id)

    query = parse_qs(urlsplit(media["renditions"][0]["url"]).query)
    (disposition,) = query["response-content-disposition"]
    assert media["fileName"] == "../План.pdf"
    assert disposition.startswith("attachment; ")
    assert "/" not in disposition


async def test_a_whole_page_of_pictures_is_not_too_much_to_ask(
    database: Database, alice: Person, chat: str
) -> None:
    for _ in range(3):
        await sent_media(alice, chat, await make_media(database, alice))
    page = f"query ($id: ID!) {{ channel(id: $id) {{ messages {{ nodes {{ {OF} media {{ {MEDIA} }}"

    found = await alice.mutate(page + "} } } }", id=chat)

    assert len(found["messages"]["nodes"]) == 3


async def acknowledge_stored(person: Person, *media_ids: str) -> None:
    done = await person.mutate(STORED, input={"storedMediaIds": list(media_ids)})
    assert done["__typename"] == "AcknowledgePayload", done


async def test_what_devices_have_stored_is_noted_where_files_go_after_delivery(
    database: Database,
    alice: Person,
    bob: Person,
    carol: Person,
    chat: str,
    media_id: str,
    served_with: ServedWith,
) -> None:
    await sent_media(alice, chat, media_id)
    async with served_with(media_delete_after_delivery=1) as server:
        await acknowledge_stored(bob.at(server), media_id, UNKNOWN, "nonsense")
        await acknowledge_stored(bob.at(server), media_id)
        await acknowledge_stored(carol.at(server), media_id)

    rows = await database.fetch("SELECT media_id, user_id FROM media_stored")
    assert [tuple(row) for row in rows] == [(media_id.removeprefix("med_"), bob.user.id)]
    assert len(await list_jobs(database, "media_delivered", media_id)) == 1


async def test_it_is_not_noted_where_files_stay(
    database: Database, alice: Person, bob: Person, chat: str, media_id: str
) -> None:
    await sent_media(alice, chat, media_id)

    await acknowledge_stored(bob, media_id)

    assert await database.fetchval("SELECT count(*) FROM media_stored") == 0


async def test_at_most_two_hundred_can_be_named(alice: Person) -> None:
    refused = await alice.mutate(STORED, input={"storedMediaIds": [UNKNOWN] * 201})

    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "storedMediaIds")
