"""Addresses of media: how long they hold, how often they change, and who can make one."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from models.media.urls import (
    CloudFrontAddresses,
    MediaUrls,
    PlainAddresses,
    StorageAddresses,
    read_private_key,
)
from models.refusals import Refused, unavailable
from models.storage.bucket import Storage
from models.storage.client import bucket_url
from models.storage.signing import AccessKey, Signer
from parley.resources import make_media_urls
from parley.settings import Settings, SettingsError, read_settings
from tests.media.storage.storing import PNG, store

TTL_S = 3600
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC).timestamp()
KEY = AccessKey(id="AKIDEXAMPLE", secret="secret of the tests")
KEYS = st.text("0123456789abcdef/", min_size=1, max_size=40)
TIMES = st.floats(min_value=NOON, max_value=NOON + 10 * TTL_S)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def signer(find: Callable[[], AccessKey] = lambda: KEY) -> Signer:
    return Signer(base_url="https://s3.example/parley", region="us-east-1", find_access_key=find)


def urls_at(clock: Clock, *, kept: int = 100) -> MediaUrls:
    return MediaUrls(StorageAddresses(signer()), ttl_s=TTL_S, kept=kept, clock=clock)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def urls(clock: Clock) -> MediaUrls:
    return urls_at(clock)


# -------------------------------------------------------------------- time


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


# -------------------------------------------------------------------- signatures


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


# -------------------------------------------------------------------- what is answered


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


# -------------------------------------------------------------------- a CDN


def test_a_plain_base_address_is_followed_by_the_key(clock: Clock) -> None:
    urls = MediaUrls(PlainAddresses("https://cdn.example/media/"), ttl_s=TTL_S, clock=clock)

    url, ends = urls.sign("media/1.jpg", content_type=PNG, file_name="a.png")

    assert url == "https://cdn.example/media/media/1.jpg"
    assert ends.timestamp() >= NOON + TTL_S / 2


PRIVATE_KEYS = [
    pytest.param(rsa.generate_private_key(65537, 2048), id="RSA"),
    pytest.param(ec.generate_private_key(ec.SECP256R1()), id="P-256"),
]


@pytest.mark.parametrize("private_key", PRIVATE_KEYS)
@pytest.mark.parametrize("file_name", [None, "schön.pdf"])
def test_cloudfronts_signature_is_of_the_whole_address_and_its_end(
    clock: Clock,
    private_key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    file_name: str | None,
) -> None:
    addresses = CloudFrontAddresses("https://cdn.example", "KEYID", private_key)
    urls = MediaUrls(addresses, ttl_s=TTL_S, clock=clock)

    url, ends = urls.sign("media/1", content_type="application/pdf", file_name=file_name)

    said = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert said["Key-Pair-Id"] == "KEYID"
    assert int(said["Expires"]) == ends.timestamp()
    resource = url.partition("Expires=")[0].rstrip("?&")
    assert ("response-content-disposition" in resource) is (file_name is not None)
    # The canned policy, as Amazon prescribes it to the letter.
    policy = (
        f'{{"Statement":[{{"Resource":"{resource}","Condition":'
        f'{{"DateLessThan":{{"AWS:EpochTime":{said["Expires"]}}}}}}}]}}'
    ).encode()
    signature = base64.b64decode(said["Signature"].translate(str.maketrans("-_~", "+=/")))
    if isinstance(private_key, rsa.RSAPrivateKey):
        private_key.public_key().verify(signature, policy, padding.PKCS1v15(), SHA1())
    else:
        private_key.public_key().verify(signature, policy, ec.ECDSA(SHA1()))


# -------------------------------------------------------------------- settings


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes = b"") -> str:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


CLOUDFRONT = {"PARLEY_MEDIA_BASE_URL": "https://cdn.example", "PARLEY_CLOUDFRONT_KEY_ID": "KEYID"}


@pytest.mark.parametrize("given", ["text", "one line", "file"])
def test_cloudfronts_key_is_given_as_text_or_file(
    storage: Storage, tmp_path: Path, given: str
) -> None:
    text = pem(ec.generate_private_key(ec.SECP256R1()))
    (tmp_path / "key.pem").write_text(text)
    value = {
        "text": text,
        "one line": text.replace("\n", "\\n"),
        "file": str(tmp_path / "key.pem"),
    }[given]
    settings = read_settings({**CLOUDFRONT, "PARLEY_CLOUDFRONT_PRIVATE_KEY": value})

    url, _ = make_media_urls(settings, storage).sign("media/1", content_type=PNG)

    assert url.startswith("https://cdn.example/media/1?Expires=")


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"PARLEY_CLOUDFRONT_KEY_ID": "K"}, "PARLEY_CLOUDFRONT_PRIVATE_KEY"),
        ({"PARLEY_CLOUDFRONT_PRIVATE_KEY": "-----BEGIN"}, "PARLEY_CLOUDFRONT_KEY_ID"),
        (
            {"PARLEY_CLOUDFRONT_KEY_ID": "K", "PARLEY_CLOUDFRONT_PRIVATE_KEY": "-----BEGIN"},
            "PARLEY_MEDIA_BASE_URL",
        ),
        ({**CLOUDFRONT, "PARLEY_CLOUDFRONT_PRIVATE_KEY": "/none"}, "path of a file"),
        ({"PARLEY_MEDIA_URL_TTL_S": "59"}, "PARLEY_MEDIA_URL_TTL_S"),
        ({"PARLEY_MEDIA_BASE_URL": "cdn.example"}, "PARLEY_MEDIA_BASE_URL"),
        ({"S3_PUBLIC_ENDPOINT_URL": "s3.example"}, "S3_PUBLIC_ENDPOINT_URL"),
    ],
)
def test_what_is_set_wrong_is_named(environment: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        read_settings(environment)


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        pem(ec.generate_private_key(ec.SECP256R1()), b"password"),
        pem(ec.generate_private_key(ec.SECP384R1())),
    ],
    ids=["broken", "encrypted", "another curve"],
)
def test_a_key_that_cloudfront_does_not_take_is_named(storage: Storage, text: str) -> None:
    settings = Settings(
        media_base_url="https://cdn.example", cloudfront_key_id="K", cloudfront_private_key=text
    )

    with pytest.raises(SettingsError, match="PARLEY_CLOUDFRONT_PRIVATE_KEY"):
        make_media_urls(settings, storage)
    with pytest.raises(ValueError, match=r"."):
        read_private_key(text.encode())


def test_without_a_key_nothing_is_signed(clock: Clock) -> None:
    def refuse() -> AccessKey:
        raise unavailable()

    urls = MediaUrls(StorageAddresses(signer(refuse)), ttl_s=TTL_S, clock=clock)

    with pytest.raises(Refused):
        urls.sign("1", content_type=PNG)
