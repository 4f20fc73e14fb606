"""Storage as our own code uses it: what is stored, moved, listed and deleted, on two endpoints."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import httpx2
import pytest

from models.refusals import RefusalCode, Refused
from models.storage.bucket import Storage
from models.storage.parts import ArrivedPart
from tests.media.storage.storing import PNG, Opened, read, send, store

Value = TypeVar("Value")
MIB = 1024 * 1024


async def everything(found: AsyncIterator[Value]) -> list[Value]:
    return [one async for one in found]


async def keys_under(storage: Storage, prefix: str) -> list[str]:
    return [key async for key, _, _ in storage.list_keys(prefix)]


async def begin_with_parts(
    storage: Storage, http: httpx2.AsyncClient, key: str, *parts: bytes
) -> str:
    parts_id = await storage.parts.begin(key, content_type="video/mp4")
    for number, content in enumerate(parts, 1):
        await send_part(storage, http, key, parts_id, number, content)
    return parts_id


async def send_part(
    storage: Storage,
    http: httpx2.AsyncClient,
    key: str,
    parts_id: str,
    number: int,
    content: bytes,
) -> None:
    signed = storage.sign_part(key, parts_id, number, byte_size=len(content), ttl_s=60)
    answer = await send(http, signed, content)
    assert answer.status_code == 200


# -------------------------------------------------------------------- objects


async def test_what_is_uploaded_is_found_and_downloaded(
    any_storage: Storage, key: str, tmp_path: Path
) -> None:
    await store(any_storage, key, b"content", tmp_path, PNG)

    found = await any_storage.find(key)
    await any_storage.download(key, tmp_path / "copy", most_bytes=7)

    assert found is not None
    assert (found.byte_size, found.content_type) == (7, PNG)
    assert (tmp_path / "copy").read_bytes() == b"content"


async def test_what_is_not_there_is_not_found(
    any_storage: Storage, key: str, tmp_path: Path
) -> None:
    assert await any_storage.find(key) is None
    for asked in (
        any_storage.download(key, tmp_path / "none", most_bytes=1),
        any_storage.copy(key, f"{key}-copy", content_type=PNG, disposition=None),
    ):
        with pytest.raises(Refused) as refused:
            await asked
        assert refused.value.code is RefusalCode.NOT_FOUND


async def test_a_download_stops_at_its_cap_and_leaves_no_file(
    any_storage: Storage, key: str, tmp_path: Path
) -> None:
    await store(any_storage, key, b"content", tmp_path)

    with pytest.raises(Refused) as refused:
        await any_storage.download(key, tmp_path / "copy", most_bytes=6)

    assert refused.value.code is RefusalCode.TOO_LARGE
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("stored", [b"", b"12", b"12345"])
async def test_an_object_of_any_size_is_read_whole(
    any_storage: Storage, key: str, tmp_path: Path, stored: bytes
) -> None:
    await store(any_storage, key, stored, tmp_path)

    assert await read(any_storage, key) == stored


async def test_a_copy_has_headers_of_its_own(
    any_storage: Storage, http: httpx2.AsyncClient, key: str, tmp_path: Path
) -> None:
    await store(any_storage, key, b"content", tmp_path, "text/html")

    await any_storage.copy(key, f"{key}-copy", content_type=PNG, disposition="attachment")

    answer = await http.get(any_storage.signer.sign("GET", f"{key}-copy", ttl_s=60))
    assert answer.content == b"content"
    assert answer.headers["Content-Type"] == PNG
    assert answer.headers["Content-Disposition"] == "attachment"
    assert answer.headers["Cache-Control"] == "max-age=31536000, immutable"


async def test_a_copy_is_of_the_bytes_that_were_looked_at(
    storage: Storage, key: str, tmp_path: Path
) -> None:
    await store(storage, key, b"seen", tmp_path)
    seen = await storage.find(key)
    assert seen is not None
    await store(storage, key, b"else", tmp_path)

    with pytest.raises(Refused) as refused:
        await storage.copy(
            key, f"{key}-copy", content_type=PNG, disposition=None, if_etag=seen.etag
        )

    assert refused.value.code is RefusalCode.CONFLICT
    assert await storage.find(f"{key}-copy") is None


async def test_deleting_takes_all_that_are_there(
    any_storage: Storage, key: str, tmp_path: Path
) -> None:
    kept, *gone = [f"{key}/{number}" for number in range(3)]
    for name in (kept, *gone):
        await store(any_storage, name, b"content", tmp_path)

    await any_storage.delete([*gone, f"{key}/never"])

    assert await keys_under(any_storage, f"{key}/") == [kept]


async def test_keys_are_listed_over_pages(
    any_storage: Storage, opened: Opened, key: str, tmp_path: Path
) -> None:
    names = [f"{key}/{number}" for number in range(5)]
    for name in names:
        await store(any_storage, name, b"content", tmp_path)

    async with opened(page_size=2) as paging:
        assert await keys_under(paging, f"{key}/") == names


async def test_more_keys_are_deleted_than_one_call_takes(
    any_storage: Storage, key: str, tmp_path: Path
) -> None:
    await store(any_storage, f"{key}/1000", b"content", tmp_path)

    await any_storage.delete(f"{key}/{number}" for number in range(1001))

    assert await any_storage.find(f"{key}/1000") is None


# -------------------------------------------------------------------- uploads in parts


async def test_parts_become_one_object(
    any_storage: Storage, http: httpx2.AsyncClient, key: str
) -> None:
    parts_id = await begin_with_parts(any_storage, http, key, bytes(5 * MIB), b"end")

    parts = await any_storage.parts.list_arrived(key, parts_id)
    await any_storage.parts.finish(key, parts_id, parts)

    found = await any_storage.find(key)
    assert found is not None
    assert (found.byte_size, found.content_type) == (5 * MIB + 3, "video/mp4")


async def test_what_arrived_of_the_parts_can_be_asked_and_the_rest_sent(
    any_storage: Storage, http: httpx2.AsyncClient, key: str
) -> None:
    parts_id = await begin_with_parts(any_storage, http, key)
    await send_part(any_storage, http, key, parts_id, 2, b"end")

    sizes = {
        n: size for n, (size, _) in (await any_storage.parts.list_arrived(key, parts_id)).items()
    }
    assert sizes == {2: 3}

    await send_part(any_storage, http, key, parts_id, 1, bytes(5 * MIB))
    assert len(await any_storage.parts.list_arrived(key, parts_id)) == 2


async def test_parts_are_finished_twice_as_once(
    any_storage: Storage, http: httpx2.AsyncClient, key: str
) -> None:
    parts_id = await begin_with_parts(any_storage, http, key, b"all")
    parts = await any_storage.parts.list_arrived(key, parts_id)

    await any_storage.parts.finish(key, parts_id, parts)
    await any_storage.parts.finish(key, parts_id, parts)

    assert await read(any_storage, key) == b"all"


async def test_a_part_that_changed_after_it_was_listed_is_a_conflict(
    any_storage: Storage, http: httpx2.AsyncClient, key: str
) -> None:
    parts_id = await begin_with_parts(any_storage, http, key, b"first")
    parts = await any_storage.parts.list_arrived(key, parts_id)
    await send_part(any_storage, http, key, parts_id, 1, b"other")

    with pytest.raises(Refused) as refused:
        await any_storage.parts.finish(key, parts_id, parts)

    assert refused.value.code is RefusalCode.CONFLICT


async def test_aborted_parts_are_gone(
    any_storage: Storage, http: httpx2.AsyncClient, key: str
) -> None:
    parts_id = await begin_with_parts(any_storage, http, key, b"part")
    begun = await everything(any_storage.parts.list_unfinished(key))
    assert [(one.key, one.parts_id) for one in begun] == [(key, parts_id)]

    await any_storage.parts.abort(key, parts_id)
    await any_storage.parts.abort(key, parts_id)

    assert await everything(any_storage.parts.list_unfinished(key)) == []


async def test_aborted_parts_are_neither_listed_nor_finished(storage: Storage, key: str) -> None:
    parts_id = await storage.parts.begin(key, content_type=PNG)
    await storage.parts.abort(key, parts_id)

    for asked in (
        storage.parts.list_arrived(key, parts_id),
        storage.parts.finish(key, parts_id, {1: ArrivedPart(4, "0" * 32)}),
    ):
        with pytest.raises(Refused) as refused:
            await asked
        assert refused.value.code is RefusalCode.NOT_FOUND


async def test_parts_are_listed_over_pages(
    http: httpx2.AsyncClient, opened: Opened, key: str
) -> None:
    async with opened(page_size=2) as paging:
        parts_id = await begin_with_parts(paging, http, key, b"1", b"2", b"3", b"4", b"5")
        others = [await paging.parts.begin(key, content_type=PNG) for _ in range(2)]

        assert list(await paging.parts.list_arrived(key, parts_id)) == [1, 2, 3, 4, 5]
        begun = await everything(paging.parts.list_unfinished(key))
        assert {one.parts_id for one in begun} == {parts_id, *others}


async def test_unfinished_parts_of_other_prefixes_are_not_listed(
    any_storage: Storage, key: str
) -> None:
    await any_storage.parts.begin(key, content_type=PNG)

    assert await everything(any_storage.parts.list_unfinished("elsewhere/")) == []
