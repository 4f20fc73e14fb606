"""Uploads in parts: resumed part by part, over a network that breaks."""

import contextlib
import random
from collections.abc import AsyncIterator

import httpx2
import pytest

from models.media.upload_drafts import PART_BYTES
from models.postgresql.database import Database
from models.storage.bucket import Storage
from tests.client import Json
from tests.make import Person
from tests.media.storage.storing import read
from tests.uploading import (
    UPLOAD,
    complete,
    create_upload,
    put,
    put_all,
    upload,
)


@pytest.fixture
def large() -> bytes:
    """A file that comes in two parts."""
    return bytes(range(256)) * (PART_BYTES // 256) + b"!"


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
