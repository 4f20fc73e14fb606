"""Addresses of media: how long they hold, how often they change, and who can make one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from models.media.urls import (
    MediaUrls,
    StorageAddresses,
)
from models.storage.bucket import Storage
from models.storage.client import bucket_url
from models.storage.signing import AccessKey
from tests.media.storage.addresses import KEY, NOON, TTL_S, Clock, signer, urls_at
from tests.media.storage.storing import PNG, store

KEYS = st.text("0123456789abcdef/", min_size=1, max_size=40)


TIMES = st.floats(min_value=NOON, max_value=NOON + 10 * TTL_S)


@given(KEYS, TIMES)
def test_an_address_holds_half_of_its_time_at_least_and_all_at_most(key: str, now: float) -> None:
    clock = Clock()
    urls = urls_at(clock)
    urls.sign(key, content_type=PNG)
    clock.now = now

    url, ends = urls.sign(key, content_type=PNG)

    assert TTL_S / 2 <= ends.timestamp() - now <= TTL_S
    said = parse_qs(urlsplit(url).query)
    begins = datetime.strptime(said["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert begins + timedelta(seconds=int(said["X-Amz-Expires"][0])) == ends
    assert begins.timestamp() <= now


def test_an_address_is_the_same_for_its_window_and_then_another(
    clock: Clock, urls: MediaUrls
) -> None:
    found = []
    for _ in range(TTL_S // 60):
        found.append(urls.sign("media/1", content_type=PNG)[0])
        clock.now += 60

    # An hour touches two windows of half an hour, or three.
    runs = [url for url, before in zip(found, [None, *found], strict=False) if url != before]
    assert len(runs) == len(set(found))
    assert len(runs) in (2, 3)


def test_another_process_makes_the_same_address(clock: Clock, urls: MediaUrls) -> None:
    assert urls.sign("media/1", content_type=PNG) == urls_at(clock).sign(
        "media/1", content_type=PNG
    )


def test_addresses_do_not_all_change_at_once(clock: Clock, urls: MediaUrls) -> None:
    ends = {urls.sign(f"media/{number}", content_type=PNG)[1] for number in range(100)}

    assert len(ends) > 50


def test_as_many_addresses_are_kept_as_asked_the_oldest_asked_for_going_first(
    clock: Clock,
) -> None:
    urls = urls_at(clock, kept=2)
    kept = urls.sign("1", content_type=PNG)
    gone = urls.sign("2", content_type=PNG)
    assert urls.sign("1", content_type=PNG) is kept

    urls.sign("3", content_type=PNG)

    assert urls.sign("1", content_type=PNG) is kept
    assert urls.sign("2", content_type=PNG) is not gone


def test_another_name_or_type_is_another_address(urls: MediaUrls) -> None:
    asked = [(PNG, None), (PNG, "a"), (PNG, "b"), ("image/gif", None)]

    found = {urls.sign("1", content_type=kind, file_name=name)[0] for kind, name in asked}

    assert len(found) == 4


def test_a_new_access_key_signs_anew(clock: Clock) -> None:
    held = [KEY]
    urls = MediaUrls(StorageAddresses(signer(lambda: held[0])), ttl_s=TTL_S, clock=clock)
    before, _ = urls.sign("1", content_type=PNG)
    held[0] = AccessKey(id="AKIDOTHER", secret="other")

    after, _ = urls.sign("1", content_type=PNG)

    assert "AKIDEXAMPLE" in before
    assert "AKIDOTHER" in after


@given(
    key=st.text(min_size=1, max_size=30).filter(lambda key: key.isprintable() and key[0] != "/"),
    query=st.dictionaries(
        st.sampled_from(["response-content-type", "partNumber", "uploadId"]), st.text(max_size=20)
    ),
    length=st.integers(min_value=0),
    token=st.none() | st.text("abc+/=", min_size=1),
)
def test_signatures_are_those_of_botocore(
    key: str, query: dict[str, str], length: int, token: str | None
) -> None:
    url = signer().sign("PUT", key, ttl_s=60).partition("?")[0]
    theirs = AWSRequest("PUT", url, {"Content-Length": str(length)}, params=dict(query))
    credentials = Credentials(KEY.id, KEY.secret, token)
    S3SigV4QueryAuth(credentials, "s3", "us-east-1", expires=60).add_auth(theirs)
    said = parse_qs(urlsplit(str(theirs.url)).query, keep_blank_values=True)
    at = datetime.strptime(said["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)

    ours = signer().sign(
        "PUT",
        key,
        ttl_s=60,
        at=at.timestamp(),
        query=query.items(),
        headers=[("content-length", str(length))],
        access_key=AccessKey(id=KEY.id, secret=KEY.secret, token=token),
    )

    assert parse_qs(urlsplit(ours).query, keep_blank_values=True) == said


@pytest.mark.parametrize(
    ("bucket", "region", "url"),
    [
        ("parley", "us-east-1", "https://parley.s3.us-east-1.amazonaws.com"),
        ("parley", "cn-north-1", "https://parley.s3.cn-north-1.amazonaws.com.cn"),
        ("par.ley", "eu-west-1", "https://s3.eu-west-1.amazonaws.com/par.ley"),
    ],
)
def test_amazons_own_buckets_are_in_the_host_where_a_certificate_covers_it(
    bucket: str, region: str, url: str
) -> None:
    assert bucket_url(None, bucket, region) == url


@pytest.mark.parametrize(
    ("content_type", "file_name", "served", "disposition"),
    [
        (PNG, None, PNG, "inline"),
        ("video/mp4", None, "video/mp4", "inline"),
        ("audio/ogg; codecs=opus", None, "audio/ogg; codecs=opus", "inline"),
        (PNG, "a.png", PNG, "attachment; filename=\"a.png\"; filename*=UTF-8''a.png"),
        (
            "application/pdf",
            'ü"\r\nX-Other: 1\u202e.pdf',
            "application/octet-stream",
            "attachment; filename=\"__X-Other_ 1.pdf\"; filename*=UTF-8''%C3%BC_X-Other_%201.pdf",
        ),
        ("text/html", None, "application/octet-stream", "attachment"),
        ("image/svg+xml", None, "application/octet-stream", "attachment"),
    ],
)
async def test_storage_answers_as_the_address_says(
    storage: Storage,
    http: httpx2.AsyncClient,
    key: str,
    tmp_path: Path,
    content_type: str,
    file_name: str | None,
    served: str,
    disposition: str,
) -> None:
    await store(storage, key, b"content", tmp_path, "text/html")
    urls = MediaUrls(StorageAddresses(storage.signer), ttl_s=TTL_S)

    answer = await http.get(urls.sign(key, content_type=content_type, file_name=file_name)[0])

    assert answer.content == b"content"
    assert answer.headers["Content-Type"] == served
    assert answer.headers["Content-Disposition"] == disposition


async def test_the_type_of_an_address_cannot_be_changed(
    storage: Storage, http: httpx2.AsyncClient, key: str, tmp_path: Path
) -> None:
    await store(storage, key, b"content", tmp_path)
    url, _ = MediaUrls(StorageAddresses(storage.signer), ttl_s=TTL_S).sign(key, content_type=PNG)

    for changed in (
        url.replace("image%2Fpng", "text%2Fhtml"),
        f"{url}&response-content-type=a%2Fb",
    ):
        assert changed != url
        assert (await http.get(changed)).status_code == 403
