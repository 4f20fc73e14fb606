"""Addresses by which clients fetch media: signed when they are asked for, never stored.

An address is made for a window of time, so that asking again returns the same one, also from
another process, and caches of browsers and of a CDN hit. It stays good for at least half of its
lifetime, unless the access key that signed it ends earlier. The windows of different keys begin at
different moments.
"""

import time
import zlib
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import quote

import msgspec
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from models.media.headers import disposition_of, served_type
from models.storage.signing import UNRESERVED, Signer

# An address with all that belongs to it takes about a kilobyte.
KEPT_ADDRESSES = 10_000


class Window(msgspec.Struct, frozen=True):
    """The time in which an address is good, in Unix seconds."""

    begins: int
    ends: int


class Addresses(Protocol):
    """One way in which clients reach stored files."""

    def find_identity(self) -> object:
        """Return what signs now. An address that was made with another identity is made anew.

        Raises:
            Refused: UNAVAILABLE when it cannot sign now.
        """

    def make(
        self, key: str, content_type: str, file_name: str | None, window: Window
    ) -> tuple[str, float]:
        """Return an address and when it ends (Unix seconds), which is not after the window."""


class MediaUrls:
    """Signs and keeps addresses. Rendering calls `sign` hundreds of times a page."""

    def __init__(
        self,
        addresses: Addresses,
        *,
        ttl_s: int,
        kept: int = KEPT_ADDRESSES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._addresses = addresses
        self._ttl_s = ttl_s
        self._window_s = ttl_s // 2
        self._most = kept
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str, str | None], _Kept] = OrderedDict()

    def sign(
        self, key: str, *, content_type: str, file_name: str | None = None
    ) -> tuple[str, datetime]:
        """Return the address and when it ends. With a file name, the file is downloaded under that
        name.

        Raises:
            Refused: UNAVAILABLE while there is no access key to sign with.
        """
        wanted = (key, content_type, file_name)
        now = self._clock()
        identity = self._addresses.find_identity()
        kept = self._kept.get(wanted)
        if kept is not None and now < kept.until and kept.identity is identity:
            self._kept.move_to_end(wanted)
            return kept.signed
        window = self._window(key, now)
        url, ends = self._addresses.make(key, content_type, file_name, window)
        signed = (url, datetime.fromtimestamp(ends, UTC))
        self._keep(wanted, _Kept(signed, identity, window.begins + self._window_s))
        return signed

    def _window(self, key: str, now: float) -> Window:
        shift = zlib.crc32(key.encode()) % self._window_s
        begins = (int(now) - shift) // self._window_s * self._window_s + shift
        return Window(begins, begins + self._ttl_s)

    def _keep(self, wanted: tuple[str, str, str | None], made: "_Kept") -> None:
        self._kept[wanted] = made
        self._kept.move_to_end(wanted)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)


class _Kept(msgspec.Struct, frozen=True):
    signed: tuple[str, datetime]
    identity: object
    until: int


class StorageAddresses:
    """Signed addresses of storage itself, which answers with the type and disposition that they
    name.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def find_identity(self) -> object:
        return self._signer.find_access_key()

    def make(
        self, key: str, content_type: str, file_name: str | None, window: Window
    ) -> tuple[str, float]:
        access_key = self._signer.find_access_key()
        url = self._signer.sign(
            "GET",
            key,
            at=window.begins,
            ttl_s=window.ends - window.begins,
            query=(
                ("response-content-disposition", disposition_of(content_type, file_name)),
                ("response-content-type", served_type(content_type)),
            ),
            access_key=access_key,
        )
        return url, min(window.ends, access_key.ends_at or window.ends)


class PlainAddresses:
    """Addresses of a CDN, unsigned: whoever has one can fetch the file for as long as it is stored.

    The CDN answers with what is stored, so it must pass no query on to storage (deploy/s3.md).
    """

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url.rstrip("/")

    def find_identity(self) -> object:
        return None

    def make(
        self, key: str, content_type: str, file_name: str | None, window: Window
    ) -> tuple[str, float]:
        return f"{self._base_url}/{quote(key, safe='/' + UNRESERVED)}", window.ends


class CloudFrontAddresses(PlainAddresses):
    """Addresses of Amazon's CDN, signed by a key of a trusted key group (canned policy)."""

    def __init__(
        self, base_url: str, key_id: str, private_key: RSAPrivateKey | EllipticCurvePrivateKey
    ) -> None:
        super().__init__(base_url)
        self._signer = CloudFrontSigner(key_id, signature_by(private_key))

    def make(
        self, key: str, content_type: str, file_name: str | None, window: Window
    ) -> tuple[str, float]:
        url, ends = super().make(key, content_type, file_name, window)
        if file_name is not None:
            # Reaches storage where the distribution passes it on; what is stored says no name,
            # since equal files of different names are stored once.
            said = quote(disposition_of(content_type, file_name), safe=UNRESERVED)
            url = f"{url}?response-content-disposition={said}"
        until = datetime.fromtimestamp(ends, UTC)
        return self._signer.generate_presigned_url(url, date_less_than=until), ends


def read_private_key(pem: bytes) -> RSAPrivateKey | EllipticCurvePrivateKey:
    """Return a key that CloudFront takes: RSA, or on the curve P-256, which signs six times as
    fast.

    Raises:
        ValueError: the key is encrypted, or of another sort.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise ValueError("the key is encrypted") from None
    if isinstance(key, RSAPrivateKey):
        return key
    if isinstance(key, EllipticCurvePrivateKey) and key.curve.name == "secp256r1":
        return key
    raise ValueError("the key is neither RSA nor P-256")


def signature_by(
    private_key: RSAPrivateKey | EllipticCurvePrivateKey,
) -> Callable[[bytes], bytes]:
    """Return the function that signs a policy. It uses SHA-1, which CloudFront expects when an
    address names no other digest.
    """
    if isinstance(private_key, RSAPrivateKey):
        rsa_key = private_key
        return lambda policy: rsa_key.sign(policy, PKCS1v15(), SHA1())
    curve_key = private_key
    return lambda policy: curve_key.sign(policy, ECDSA(SHA1()))
