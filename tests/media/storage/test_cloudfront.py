"""Addresses of media at a base of our own: plain, or signed for CloudFront."""

import base64
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from models.media.urls import (
    CloudFrontAddresses,
    MediaUrls,
    PlainAddresses,
    StorageAddresses,
    read_private_key,
)
from models.refusals import Refused, unavailable
from models.storage.bucket import Storage
from models.storage.signing import AccessKey
from parley.opening import make_media_urls
from parley.settings import Settings, SettingsError, read_settings
from tests.media.storage.addresses import NOON, TTL_S, Clock, signer
from tests.media.storage.storing import PNG


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
