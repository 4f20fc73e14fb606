"""Tickets of uploads: how a file is to be brought, what is refused, and the budgets of a day."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from models.limits.limits import Budget
from models.media.upload_drafts import PART_BYTES, part_sizes
from models.storage.bucket import Storage
from tests.client import ApiClient, Json
from tests.make import Person
from tests.serving import ServedWith, Server
from tests.uploading import (
    CREATE_UPLOAD,
    PNG,
    announced,
    create_upload,
)

PAST_A_PART = PART_BYTES + 1
UPLOAD_BYTES = """{ limits { image: uploadBytes(kind: IMAGE) video: uploadBytes(kind: VIDEO)
    audio: uploadBytes(kind: AUDIO) file: uploadBytes(kind: FILE) } }"""


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
