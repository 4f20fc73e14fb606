"""Uploads: straight to storage by signed requests, in one piece or in parts, and what completing
checks.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx2
import pytest

from models.database import Database
from models.limits import Budget, Limits
from models.media.media import Media, MediaState
from models.media.upload_drafts import PART_BYTES, part_sizes
from models.media.uploads import Uploads
from models.refusals import RefusalCode, Refused
from models.storage.bucket import Storage
from tests.client import ApiClient, Json
from tests.make import Person
from tests.media.storage.storing import read
from tests.serving import ServedWith, Server
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
UPLOAD_BYTES = """{ limits { image: uploadBytes(kind: IMAGE) video: uploadBytes(kind: VIDEO)
    audio: uploadBytes(kind: AUDIO) file: uploadBytes(kind: FILE) } }"""


@pytest.fixture
def large() -> bytes:
    """A file that comes in two parts."""
    return bytes(range(256)) * (PART_BYTES // 256) + b"!"


async def stored(storage: Storage, media_id: str) -> list[str]:
    """Keys of what is staged of an upload."""
    prefix = f"staging/{media_id.removeprefix('med_')}"
    return [key async for key, _, _ in storage.list_keys(prefix)]


# -------------------------------------------------------------------- tickets


async def test_a_small_file_comes_in_one_part(alice: Person) -> None:
    ticket = await create_upload(alice)

    (part,) = ticket["parts"]
    assert (part["number"], part["byteSize"], part["uploaded"]) == (1, len(PNG), False)
    assert (part["method"], ticket["media"]["state"]) == ("PUT", "AWAITING_UPLOAD")
    assert {each["name"]: each["value"] for each in part["headers"]} == {
        "Content-Type": "image/png",
        "Content-Length": str(len(PNG)),
    }


async def test_a_ticket_is_good_for_five_minutes_at_most(alice: Person) -> None:
    expires_at = datetime.fromisoformat((await create_upload(alice))["expiresAt"])

    assert expires_at - datetime.now(UTC) <= timedelta(minutes=5)


def test_parts_are_equal_but_for_the_last() -> None:
    assert part_sizes(PART_BYTES) == {1: PART_BYTES}
    assert part_sizes(PAST_A_PART) == {1: PART_BYTES, 2: 1}
    largest = part_sizes(2_000_000_000)
    assert (sum(largest.values()), len(largest)) == (2_000_000_000, 239)


async def test_the_limits_say_how_large_each_kind_may_be(server: Server) -> None:
    assert await ApiClient(server).mutate(UPLOAD_BYTES) == {
        "image": 50_000_000,
        "video": 500_000_000,
        "audio": 100_000_000,
        "file": 2_000_000_000,
    }


async def test_no_setting_makes_a_file_larger_than_an_int(served_with: ServedWith) -> None:
    async with served_with(file_upload_bytes=2**40) as server:
        assert (await ApiClient(server).mutate(UPLOAD_BYTES))["file"] == 2_000_000_000


REFUSED: dict[str, tuple[Json, str, str]] = {
    "nothing": ({"byteSize": 0}, "INVALID_INPUT", "byteSize"),
    "less than nothing": ({"byteSize": -1}, "INVALID_INPUT", "byteSize"),
    "one byte too many": ({"byteSize": 50_000_001}, "TOO_LARGE", "byteSize"),
    "no name": ({"fileName": ""}, "INVALID_INPUT", "fileName"),
    "a blank name": ({"fileName": " "}, "INVALID_INPUT", "fileName"),
    "a name of marks only": ({"fileName": "\u202e"}, "INVALID_INPUT", "fileName"),
    "a long name": ({"fileName": "n" * 256}, "INVALID_INPUT", "fileName"),
    "a bell in a name": ({"fileName": "a\a.png"}, "INVALID_INPUT", "fileName"),
    "a line in a name": ({"fileName": "a\r\nb"}, "INVALID_INPUT", "fileName"),
    "no type": ({"contentType": ""}, "INVALID_INPUT", "contentType"),
    "half a type": ({"contentType": "image/"}, "INVALID_INPUT", "contentType"),
    "a header as a type": ({"contentType": "image/png\r\nX: y"}, "INVALID_INPUT", "contentType"),
    "a long type": ({"contentType": "image/" + "p" * 95}, "INVALID_INPUT", "contentType"),
    "another family": ({"contentType": "text/html"}, "INVALID_INPUT", "contentType"),
}


@pytest.mark.parametrize(("changed", "code", "field"), REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_a_file_is_refused(
    alice: Person, changed: Json, code: str, field: str
) -> None:
    refused = await alice.mutate(CREATE_UPLOAD, input=announced(PNG, **changed))

    assert (refused["code"], refused["field"]) == (code, field)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "../../etc/passwd"),
        ("photo\u202egnp.exe", "photognp.exe"),
        (" plan.pdf ", "plan.pdf"),
        ("ё" * 255, "ё" * 255),
    ],
)
async def test_a_name_is_only_ever_text(
    alice: Person, storage: Storage, given: str, shown: str
) -> None:
    ticket = await create_upload(
        alice, kind="FILE", fileName=given, contentType="application/x-thing; charset=utf-8"
    )

    assert ticket["media"]["fileName"] == shown
    media_id = ticket["media"]["id"].removeprefix("med_")
    assert urlsplit(ticket["parts"][0]["url"]).path == f"/parley/staging/{media_id}"


async def test_a_name_with_nul_is_no_input(alice: Person) -> None:
    asked = announced(PNG, fileName="a\0.png")
    assert await alice.errors(CREATE_UPLOAD, input=asked) == ["INVALID_INPUT"]


async def test_names_of_pictures_are_nobody_s_business(alice: Person) -> None:
    assert (await create_upload(alice))["media"]["fileName"] is None


async def test_uploads_of_a_day_are_budgeted(
    alice: Person, bob: Person, served_with: ServedWith
) -> None:
    async with served_with(uploads_per_user=_budget(2)) as server:
        for _ in range(2):
            await create_upload(alice.at(server))
        refused = await alice.at(server).mutate(CREATE_UPLOAD, input=announced(PNG))
        assert refused["code"] == "RATE_LIMITED"
        assert refused["retryAfterMs"] > 0
        await create_upload(bob.at(server))


async def test_bytes_of_a_day_are_budgeted_by_what_is_announced(
    alice: Person, served_with: ServedWith
) -> None:
    async with served_with(upload_megabytes_per_user=_budget(30)) as server:
        await create_upload(alice.at(server), byteSize=29_000_001)
        refused = await alice.at(server).mutate(CREATE_UPLOAD, input=announced(PNG))
        assert refused["code"] == "RATE_LIMITED"


def _budget(amount: int) -> Budget:
    return Budget(amount=amount, window_s=3600)


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


# -------------------------------------------------------------------- parts


async def test_a_large_file_is_resumed_part_by_part(
    alice: Person, storage: Storage, database: Database, large: bytes
) -> None:
    ticket = await create_upload(alice, large)
    media_id, second = ticket["media"]["id"], ticket["parts"][1]
    assert (await put(alice, second, large[PART_BYTES:])).status_code == 200

    refused = await complete(alice, media_id)
    assert (refused["code"], refused["reason"]) == (
        "MEDIA_NOT_READY",
        "Parts have not arrived: 1.",
    )
    resumed = (await alice.query(UPLOAD, id=media_id))["upload"]
    assert [part["uploaded"] for part in resumed["parts"]] == [False, True]
    await put_all(alice, resumed, large)

    assert (await complete(alice, media_id))["media"]["state"] == "PROCESSING"
    content_id = await database.fetchval("SELECT content_id FROM media")
    assert await read(storage, f"media/{content_id}/original") == large


async def test_a_part_of_which_half_arrived_is_missing(alice: Person, large: bytes) -> None:
    ticket = await create_upload(alice, large)

    await _send_and_break(alice, ticket["parts"][0], large[:PART_BYTES], PART_BYTES // 2)

    resumed = (await alice.query(UPLOAD, id=ticket["media"]["id"]))["upload"]
    assert [part["uploaded"] for part in resumed["parts"]] == [False, False]


async def test_twenty_megabytes_survive_a_network_that_breaks(
    alice: Person, storage: Storage, database: Database
) -> None:
    """Cut somewhere in every other try, until all of it is there."""
    rng = random.Random(29)
    content = rng.randbytes(20_000_000)
    ticket = await create_upload(alice, content)
    media_id, tries = ticket["media"]["id"], 0

    while not all(part["uploaded"] for part in ticket["parts"]):
        for part in ticket["parts"]:
            if part["uploaded"]:
                continue
            tries += 1
            start = (part["number"] - 1) * PART_BYTES
            piece = content[start : start + part["byteSize"]]
            await _send_and_break(alice, part, piece, rng.randrange(len(piece)) if tries % 2 else 0)
        ticket = (await alice.query(UPLOAD, id=media_id))["upload"]

    assert tries > len(ticket["parts"])
    assert (await complete(alice, media_id))["media"]["state"] == "PROCESSING"
    content_id = await database.fetchval("SELECT content_id FROM media")
    assert await read(storage, f"media/{content_id}/original") == content


async def _send_and_break(person: Person, part: Json, piece: bytes, after: int) -> None:
    """The whole piece, or so many bytes and then nothing more."""

    async def body() -> AsyncIterator[bytes]:
        for start in range(0, after or len(piece), 65536):
            yield piece[start : min(start + 65536, after or len(piece))]
        if after:
            raise httpx2.WriteError("cut")

    with contextlib.suppress(httpx2.TransportError):
        await person.server.http.put(
            part["url"], content=body(), headers={"Content-Length": str(len(piece))}
        )


async def test_parts_that_were_joined_by_a_try_that_came_no_further_are_enough(
    alice: Person, storage: Storage, database: Database, large: bytes
) -> None:
    ticket = await create_upload(alice, large)
    await put_all(alice, ticket, large)
    media_id = ticket["media"]["id"]
    key = f"staging/{media_id.removeprefix('med_')}"
    parts_id = await database.fetchval("SELECT parts_id FROM media")
    await storage.parts.finish(key, parts_id, await storage.parts.list_arrived(key, parts_id))

    resumed = (await alice.query(UPLOAD, id=media_id))["upload"]
    assert [part["uploaded"] for part in resumed["parts"]] == [True, True]
    assert (await complete(alice, media_id))["media"]["state"] == "PROCESSING"


async def test_a_complete_file_has_no_parts_to_send(alice: Person) -> None:
    media_id = await upload(alice)

    assert (await alice.query(UPLOAD, id=media_id))["upload"]["parts"] == []


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
