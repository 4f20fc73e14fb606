"""Uploads: what completing checks, signed requests used again, and storage that is away."""

import asyncio
from collections.abc import Awaitable
from urllib.parse import urlsplit

import pytest

from models.limits.limits import Limits
from models.media.media import Media, MediaState
from models.media.upload_drafts import PART_BYTES
from models.media.uploads import Uploads
from models.postgresql.database import Database
from models.refusals import RefusalCode, Refused
from models.storage.bucket import Storage
from tests.client import Json
from tests.make import Person
from tests.media.storage.storing import read
from tests.serving import Server
from tests.uploading import (
    CREATE_UPLOAD,
    PNG,
    UPLOAD,
    announced,
    complete,
    create_upload,
    list_jobs,
    put,
    put_all,
    sent_media,
    upload,
)
from tests.waiting import eventually

PAST_A_PART = PART_BYTES + 1


async def stored(storage: Storage, media_id: str) -> list[str]:
    """Keys of what is staged of an upload."""
    prefix = f"staging/{media_id.removeprefix('med_')}"
    return [key async for key, _, _ in storage.list_keys(prefix)]


# -------------------------------------------------------------------- completing


async def test_a_complete_file_is_processed_by_one_job(alice: Person, database: Database) -> None:
    media_id = await upload(alice)

    again = await complete(alice, media_id)

    assert again["media"]["state"] == "PROCESSING"
    assert len(await list_jobs(database, "media_render", media_id)) == 1


async def test_what_is_complete_is_as_it_was_sent_and_staged_no_more(
    alice: Person, storage: Storage, database: Database
) -> None:
    media_id = await upload(alice)

    content_id = await database.fetchval(
        "SELECT content_id FROM media WHERE id = $1", media_id.removeprefix("med_")
    )
    assert await read(storage, f"media/{content_id}/original") == PNG
    assert await stored(storage, media_id) == []


async def test_what_has_not_arrived_is_not_ready(alice: Person) -> None:
    ticket = await create_upload(alice)

    refused = await complete(alice, ticket["media"]["id"])

    assert (refused["code"], refused["field"]) == ("MEDIA_NOT_READY", "mediaId")


async def test_what_is_not_as_large_as_was_said_is_rejected_for_good(
    alice: Person, database: Database
) -> None:
    ticket = await create_upload(alice)
    await put_all(alice, ticket, PNG)
    # No signed request can bring another size: so it is the row that is changed.
    await database.execute("UPDATE media SET byte_size = byte_size + 1")

    media_id = ticket["media"]["id"]
    refused = [await complete(alice, media_id) for _ in range(2)]

    assert [each["code"] for each in refused] == ["MEDIA_REJECTED"] * 2
    shown = (await alice.query(UPLOAD, id=media_id))["upload"]["media"]
    assert (shown["state"], shown["failure"]) == ("FAILED", refused[0]["reason"])


async def test_completed_at_once_by_two_processes_it_is_one_file(
    alice: Person, other_server: Server, database: Database, storage: Storage
) -> None:
    servers = (alice.server, other_server)
    before = {key async for key, _, _ in storage.list_keys("media/")}
    for _ in range(5):
        ticket = await create_upload(alice)
        await put_all(alice, ticket, PNG)
        media_id = ticket["media"]["id"].removeprefix("med_")

        both = await asyncio.gather(*(_complete_at(each, alice, media_id) for each in servers * 2))

        assert {media.state for media in both} == {MediaState.PROCESSING}
        assert len(await list_jobs(database, "media_render", media_id)) == 1
    assert len({key async for key, _, _ in storage.list_keys("media/")} - before) == 5


def _complete_at(server: Server, person: Person, media_id: str) -> Awaitable[Media]:
    """Without the way there, on which one process would be ahead of the other."""
    return server.app._process.resources.uploads.complete(person.user.id, media_id)


async def test_a_file_that_takes_long_to_move_goes_on_when_nobody_waits(
    alice: Person, database: Database, storage: Storage
) -> None:
    ticket = await create_upload(alice)
    await put_all(alice, ticket, PNG)
    media_id = ticket["media"]["id"].removeprefix("med_")
    impatient = Uploads(database, storage, Limits(request_deadline_s=0))

    with pytest.raises(Refused) as refused:
        await impatient.complete(alice.user.id, media_id)
    assert refused.value.code is RefusalCode.UNAVAILABLE

    async def is_processed() -> bool:
        found = await impatient.find_ticket(alice.user.id, media_id)
        return found is not None and found.media.state is MediaState.PROCESSING

    await eventually(is_processed)
    await impatient.close()
    assert len(await list_jobs(database, "media_render", media_id)) == 1


# -------------------------------------------------------------------- signed requests


async def test_a_request_brings_its_own_file_only(
    alice: Person, bob: Person, storage: Storage
) -> None:
    mine, theirs = await create_upload(alice), await create_upload(bob)
    (part,) = mine["parts"]
    other_key = part["url"].replace(
        mine["media"]["id"].removeprefix("med_"), theirs["media"]["id"].removeprefix("med_")
    )
    bucket = part["url"].split("/staging/")[0]

    answers = {
        "another key": await put(alice, part, PNG, url=other_key),
        "one byte more": await put(alice, part, PNG + b"!"),
        "one byte less": await put(alice, part, PNG[:-1]),
        "another type": await put(alice, part, PNG, Content_Type="text/html"),
        "another method": await alice.server.http.get(part["url"]),
        "a list": await alice.server.http.get(f"{bucket}?{urlsplit(part['url']).query}"),
        "unsigned": await alice.server.http.put(part["url"].split("?")[0], content=PNG),
    }

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(
        answers, 403
    )
    assert await stored(storage, mine["media"]["id"]) == []
    assert await stored(storage, theirs["media"]["id"]) == []


async def test_a_request_that_is_used_again_changes_nothing(
    alice: Person, storage: Storage, database: Database
) -> None:
    ticket = await create_upload(alice)
    await put_all(alice, ticket, PNG)
    media_id = ticket["media"]["id"]
    await complete(alice, media_id)

    await put(alice, ticket["parts"][0], PNG[::-1])
    again = await complete(alice, media_id)

    assert again["media"]["state"] == "PROCESSING"
    content_id = await database.fetchval("SELECT content_id FROM media")
    assert await read(storage, f"media/{content_id}/original") == PNG
    assert len(await list_jobs(database, "media_render", media_id)) == 1


async def test_another_person_s_upload_is_nothing(alice: Person, bob: Person) -> None:
    """To the byte, as one that does not exist."""
    media_id = (await create_upload(alice))["media"]["id"]
    for id_ in (media_id, "med_" + "0" * 32, "nonsense"):
        assert await bob.mutate(UPLOAD, id=id_) is None
        refused = await complete(bob, id_)
        assert (refused["code"], refused["field"]) == ("NOT_FOUND", "mediaId")
    sent = [await _send(bob, id_) for id_ in (media_id, "med_" + "0" * 32)]
    assert sent[0] == sent[1]


async def _send(person: Person, media_id: str) -> Json:
    draft = person.draft(await person.open_chat(person), mediaIds=[media_id])
    answer = await person.send(draft)
    assert answer["code"] == "NOT_FOUND"
    return answer  # type: ignore[no-any-return]


# -------------------------------------------------------------------- storage away


async def test_without_storage_uploads_wait_and_messages_go_on(
    alice: Person, bob: Person, chat: str, away: Server
) -> None:
    ticket = await create_upload(alice)
    await put_all(alice, ticket, PNG)
    media_id = await upload(bob)
    there, bob = alice, bob.at(away)
    alice = alice.at(away)

    refusals = [
        await alice.mutate(CREATE_UPLOAD, input=announced(PNG)),
        await alice.mutate(CREATE_UPLOAD, input=announced(PNG, byteSize=PAST_A_PART)),
        await complete(alice, ticket["media"]["id"]),
    ]
    assert [each["code"] for each in refusals] == ["UNAVAILABLE"] * 3
    assert await alice.errors(UPLOAD, id=ticket["media"]["id"]) == ["UNAVAILABLE"]

    assert (await alice.say(chat, "without a picture"))["seq"] == 1
    assert (await sent_media(bob, chat, media_id))["media"][0]["state"] == "PROCESSING"
    assert (await complete(there, ticket["media"]["id"]))["media"]["state"] == "PROCESSING"
