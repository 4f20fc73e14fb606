"""The embedded S3 endpoint as browsers find it: what it lets them do, and what its answers say."""

from pathlib import Path

import httpx2
import pytest

from models.storage.bucket import Storage
from parley.embedded import EmbeddedServers
from tests.media.storage.storing import PNG, fetch, send, store

ORIGIN = "https://chat.example"
CONTENT = b"0123456789"


@pytest.fixture
def url(storage: Storage, key: str) -> str:
    return storage.signer.sign("GET", key, ttl_s=60)


async def test_every_answer_keeps_a_browser_from_running_it(
    s3: EmbeddedServers, storage: Storage, http: httpx2.AsyncClient, key: str, tmp_path: Path
) -> None:
    await store(storage, key, b"content", tmp_path, "text/html")

    for method, address, status in (
        ("GET", storage.signer.sign("GET", key, ttl_s=60), 200),
        ("HEAD", storage.signer.sign("HEAD", key, ttl_s=60), 200),
        ("GET", storage.signer.sign("GET", f"{key}-none", ttl_s=60), 404),
        ("GET", f"{s3.s3_endpoint_url}/parley/{key}", 403),
    ):
        answer = await http.request(method, address)
        assert answer.status_code == status
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


async def test_a_page_of_any_origin_may_upload_and_see_what_arrived(
    storage: Storage, http: httpx2.AsyncClient, key: str
) -> None:
    signed = storage.sign_put(key, content_type=PNG, byte_size=5, ttl_s=60)
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type",
    }

    preflight = await http.options(signed.url, headers=asked)
    answer = await send(http, signed, b"12345", Origin=ORIGIN)

    assert preflight.status_code == 200
    assert "PUT" in preflight.headers["Access-Control-Allow-Methods"]
    assert preflight.headers["Access-Control-Allow-Headers"] == "content-type"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
    assert answer.headers["ETag"]


async def test_a_refusal_can_be_read_by_the_page_that_asked(
    storage: Storage, http: httpx2.AsyncClient, key: str
) -> None:
    signed = storage.sign_put(key, content_type=PNG, byte_size=5, ttl_s=60)

    answer = await send(http, signed, b"123456", Origin=ORIGIN)

    assert answer.status_code == 403
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("asked", "given", "part"),
    [
        ("bytes=0-", "bytes 0-9/10", CONTENT),
        ("bytes=4-", "bytes 4-9/10", b"456789"),
        ("bytes=2-3", "bytes 2-3/10", b"23"),
        ("bytes=8-100", "bytes 8-9/10", b"89"),
        ("bytes=-3", "bytes 7-9/10", b"789"),
        ("bytes=-100", "bytes 0-9/10", CONTENT),
    ],
)
async def test_a_player_can_seek(
    storage: Storage,
    http: httpx2.AsyncClient,
    key: str,
    url: str,
    tmp_path: Path,
    asked: str,
    given: str,
    part: bytes,
) -> None:
    await store(storage, key, CONTENT, tmp_path)

    answer = await fetch(http, url, Range=asked)

    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == given
    assert answer.content == part


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=-", "bytes=0-1,3-4", "lines=1-2"])
async def test_a_range_that_is_none_gives_the_whole(
    storage: Storage, http: httpx2.AsyncClient, key: str, url: str, tmp_path: Path, asked: str
) -> None:
    await store(storage, key, CONTENT, tmp_path)

    answer = await fetch(http, url, Range=asked)

    assert answer.status_code == 200
    assert answer.content == CONTENT


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-20", "bytes=-0"])
async def test_a_range_behind_the_end_is_said(
    storage: Storage, http: httpx2.AsyncClient, key: str, url: str, tmp_path: Path, asked: str
) -> None:
    await store(storage, key, CONTENT, tmp_path)

    answer = await fetch(http, url, Range=asked)

    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */10"
