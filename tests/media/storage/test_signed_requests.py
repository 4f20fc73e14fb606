"""What a client can do with a request that was signed for it: that, and nothing else."""

import asyncio
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from models.refusals import RefusalCode, Refused
from models.storage.bucket import SignedRequest, Storage
from parley.embedded import EmbeddedServers
from tests.media.storage.storing import PNG, open_nanio, read, send, store

CONTENT = b"12345"


@pytest.fixture
def signed(storage: Storage, key: str) -> SignedRequest:
    return storage.sign_put(key, content_type=PNG, byte_size=len(CONTENT), ttl_s=60)


async def assert_refused(storage: Storage, key: str, answer: httpx2.Response) -> None:
    assert answer.status_code in (400, 403), answer.text
    assert await storage.find(key) is None


async def test_it_stores_what_it_was_signed_for(
    storage: Storage, http: httpx2.AsyncClient, key: str, signed: SignedRequest
) -> None:
    assert signed.headers == [("Content-Type", PNG), ("Content-Length", "5")]

    answer = await http.put(signed.url, content=CONTENT, headers=dict(signed.headers))

    assert answer.status_code == 200
    found = await storage.find(key)
    assert found is not None
    assert (found.byte_size, found.content_type) == (5, PNG)


@pytest.mark.parametrize("content", [b"", b"1234", b"123456"], ids=["none", "less", "more"])
async def test_another_size_is_refused(
    storage: Storage, http: httpx2.AsyncClient, key: str, signed: SignedRequest, content: bytes
) -> None:
    await assert_refused(storage, key, await send(http, signed, content))


@pytest.mark.parametrize("another", ["text/html", "image/png; charset=utf-8", "image/jpeg"])
async def test_another_type_is_refused(
    storage: Storage, http: httpx2.AsyncClient, key: str, signed: SignedRequest, another: str
) -> None:
    answer = await send(http, signed, CONTENT, Content_Type=another)

    await assert_refused(storage, key, answer)


async def test_no_type_is_refused(
    storage: Storage, http: httpx2.AsyncClient, key: str, signed: SignedRequest
) -> None:
    await assert_refused(storage, key, await http.put(signed.url, content=CONTENT))


@pytest.mark.parametrize(
    "headers",
    [
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ],
    ids=["no length", "a false length"],
)
async def test_a_body_of_unsaid_size_is_refused(
    storage: Storage, key: str, signed: SignedRequest, headers: bytes
) -> None:
    url = urlsplit(signed.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: {PNG}\r\n"
    writer.write(head.encode() + headers + b"\r\n9\r\n123456789\r\n0\r\n\r\n")

    status = int((await reader.readline()).split()[1])
    writer.close()

    assert status in (400, 403)
    assert await storage.find(key) is None


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS"])
async def test_another_method_is_refused(
    storage: Storage,
    http: httpx2.AsyncClient,
    key: str,
    signed: SignedRequest,
    tmp_path: Path,
    method: str,
) -> None:
    await store(storage, key, b"there", tmp_path)

    answer = await http.request(method, signed.url)

    assert answer.status_code in (400, 403)
    assert b"there" not in answer.content
    assert await read(storage, key) == b"there"


@pytest.mark.parametrize("end", ["x", "/x", "%2Fx", "%3Fx", "%23x", "/../x", "%00"])
async def test_another_key_is_refused(
    storage: Storage, http: httpx2.AsyncClient, key: str, signed: SignedRequest, end: str
) -> None:
    answer = await send(
        http, SignedRequest("PUT", signed.url.replace(key, key + end), signed.headers), CONTENT
    )

    assert answer.status_code in (400, 403)
    assert [found async for found in storage.list_keys(key)] == []


async def test_a_key_written_otherwise_is_not_another_key(
    storage: Storage, http: httpx2.AsyncClient, key: str
) -> None:
    signed = storage.sign_put(f"{key}A", content_type=PNG, byte_size=len(CONTENT), ttl_s=60)
    # Decoded twice, it is the signed one.
    url = signed.url.replace(f"{key}A", f"{key}%2541")

    answer = await send(http, SignedRequest("PUT", url, signed.headers), CONTENT)

    assert answer.status_code == 400
    assert [found async for found in storage.list_keys(key)] == []


@pytest.mark.parametrize("whole", ["", "/"])
async def test_the_bucket_is_not_listed(
    http: httpx2.AsyncClient, storage: Storage, key: str, whole: str
) -> None:
    url = storage.signer.sign("GET", key, ttl_s=60)

    for query in ("list-type=2&", "uploads=&", ""):
        answer = await http.get(url.replace(f"/{key}?", f"{whole}?{query}"))

        assert answer.status_code == 403
        assert "Contents" not in answer.text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("X-Amz-Expires=60", "X-Amz-Expires=604800"),
        ("X-Amz-Date=2", "X-Amz-Date=3"),
        ("us-east-1", "eu-west-1"),
        ("SignedHeaders=content-length%3B", "SignedHeaders="),
        ("X-Amz-Signature=", "X-Amz-Signature=0"),
        ("X-Amz-Algorithm", "partNumber=1&uploadId=1&X-Amz-Algorithm"),
        ("X-Amz-Algorithm", "acl&X-Amz-Algorithm"),
        ("X-Amz-Signature=", "X-Amz-Expires=604800&X-Amz-Signature="),
        ("X-Amz-Algorithm", "X-Amz-Other"),
    ],
    ids=lambda changed: changed.split("=")[0],
)
async def test_a_changed_query_is_refused(
    storage: Storage,
    http: httpx2.AsyncClient,
    key: str,
    signed: SignedRequest,
    old: str,
    new: str,
) -> None:
    changed = signed.url.replace(old, new, 1)
    assert changed != signed.url

    answer = await send(http, SignedRequest("PUT", changed, signed.headers), CONTENT)

    await assert_refused(storage, key, answer)


async def test_an_expired_request_is_refused(
    storage: Storage, http: httpx2.AsyncClient, key: str
) -> None:
    ago = time.time() - 61
    put = storage.signer.sign("PUT", key, ttl_s=60, at=ago, headers=[("content-type", PNG)])
    get = storage.signer.sign("GET", key, ttl_s=60, at=ago)

    await assert_refused(
        storage, key, await send(http, SignedRequest("PUT", put, [("Content-Type", PNG)]), CONTENT)
    )
    assert (await http.get(get)).status_code == 403


async def test_it_cannot_be_made_a_copy_of_what_somebody_else_stored(
    storage: Storage, http: httpx2.AsyncClient, key: str, signed: SignedRequest, tmp_path: Path
) -> None:
    await store(storage, f"{key}-private", b"private", tmp_path)

    answer = await send(http, signed, CONTENT, **{"x-amz-copy-source": f"/parley/{key}-private"})

    await assert_refused(storage, key, answer)


async def test_a_replay_after_completion_changes_nothing(
    storage: Storage, http: httpx2.AsyncClient, key: str, signed: SignedRequest
) -> None:
    await send(http, signed, CONTENT)
    await storage.copy(key, f"media/{key}", content_type=PNG, disposition=None)
    await storage.delete([key])

    await send(http, signed, b"other")

    assert await read(storage, f"media/{key}") == CONTENT


async def test_a_part_sent_again_after_completion_is_refused(
    storage: Storage, http: httpx2.AsyncClient, key: str
) -> None:
    parts_id = await storage.parts.begin(key, content_type=PNG)
    part = storage.sign_part(key, parts_id, 1, byte_size=5, ttl_s=60)
    await send(http, part, CONTENT)
    await storage.parts.finish(key, parts_id, await storage.parts.list_arrived(key, parts_id))

    answer = await send(http, part, b"other")

    assert answer.status_code == 404
    assert await read(storage, key) == CONTENT


@pytest.mark.parametrize("content", [b"1234", b"123456"], ids=["less", "more"])
async def test_a_part_of_another_size_is_refused(
    storage: Storage, http: httpx2.AsyncClient, key: str, content: bytes
) -> None:
    parts_id = await storage.parts.begin(key, content_type=PNG)
    part = storage.sign_part(key, parts_id, 1, byte_size=5, ttl_s=60)

    answer = await send(http, part, content)

    assert answer.status_code == 403
    assert await storage.parts.list_arrived(key, parts_id) == {}


@pytest.mark.parametrize(
    ("old", "new"), [("partNumber=1", "partNumber=2"), ("uploadId=", "uploadId=x")]
)
async def test_a_part_of_another_number_or_upload_is_refused(
    storage: Storage, http: httpx2.AsyncClient, key: str, old: str, new: str
) -> None:
    parts_id = await storage.parts.begin(key, content_type=PNG)
    part = storage.sign_part(key, parts_id, 1, byte_size=5, ttl_s=60)

    answer = await send(
        http, SignedRequest("PUT", part.url.replace(old, new), part.headers), CONTENT
    )

    assert answer.status_code == 403
    assert await storage.parts.list_arrived(key, parts_id) == {}


async def test_a_request_is_signed_for_the_address_that_clients_reach(
    s3: EmbeddedServers, storage: Storage, http: httpx2.AsyncClient, key: str
) -> None:
    async with open_nanio(s3, public_url="https://media.example") as public:
        signed = public.sign_put(key, content_type=PNG, byte_size=5, ttl_s=60)
    assert signed.url.startswith(f"https://media.example/parley/{key}?")
    here = SignedRequest(
        "PUT", signed.url.replace("https://media.example", s3.s3_endpoint_url), signed.headers
    )

    assert (await send(http, here, CONTENT)).status_code == 403
    # As a proxy passes it on.
    assert (await send(http, here, CONTENT, Host="media.example")).status_code == 200
    assert await read(storage, key) == CONTENT


@pytest.mark.parametrize("content_type", ["image/png\r\nX-Other: 1", "bild/ä", "a\x00"])
def test_a_type_that_is_no_header_is_not_signed(
    storage: Storage, key: str, content_type: str
) -> None:
    with pytest.raises(Refused) as refused:
        storage.sign_put(key, content_type=content_type, byte_size=5, ttl_s=60)

    assert refused.value.code is RefusalCode.INVALID_INPUT
