"""Signed addresses of storage: AWS Signature Version 4 in the query, made without network.

This replaces botocore's classes, which take 7 to 20 times as long and cannot sign as of a given
time. Tests hold both equal. Algorithm: "Authenticating Requests: Using Query Parameters" in
Amazon's S3 API reference.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from urllib.parse import quote, urlsplit

import msgspec

# What no sub-delimiter may be: the unreserved characters of RFC 3986.
UNRESERVED = "-_.~"
ALGORITHM = "AWS4-HMAC-SHA256"


class AccessKey(msgspec.Struct, frozen=True):
    """An identity at storage. The key of a role has a token, and an end (Unix seconds)."""

    id: str
    secret: str
    token: str | None = None
    ends_at: float | None = None


class Signer:
    """Signs requests to the objects of one bucket, with the access key of the moment."""

    def __init__(
        self, *, base_url: str, region: str, find_access_key: Callable[[], AccessKey]
    ) -> None:
        """Sign below `base_url`: the bucket's address as clients reach it, without a slash at its
        end. `find_access_key` must not block, and may refuse with UNAVAILABLE.
        """
        parts = urlsplit(base_url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._folder = quote(parts.path, safe="/" + UNRESERVED)
        self._host = _host_header(parts.scheme, parts.netloc)
        self._region = region
        self.find_access_key = find_access_key

    def sign(
        self,
        method: str,
        key: str,
        *,
        ttl_s: int,
        at: float | None = None,
        query: Iterable[tuple[str, str]] = (),
        headers: Iterable[tuple[str, str]] = (),
        access_key: AccessKey | None = None,
    ) -> str:
        """Return the address of a request that is good for `ttl_s` seconds from `at` (Unix time).

        The names of `headers` are in lower case, those of `query` begin so. The request must carry
        exactly these values.

        Raises:
            Refused: UNAVAILABLE while there is no access key.
        """
        access_key = access_key or self.find_access_key()
        clock = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
        day = clock[:8]
        scope = f"{day}/{self._region}/s3/aws4_request"
        signed = sorted([("host", self._host), *headers])
        names = ";".join(name for name, _ in signed)
        parameters = _parameters(access_key, scope, clock, ttl_s, names, query)
        path = f"{self._folder}/{quote(key, safe='/' + UNRESERVED)}"
        lines = "".join(f"{name}:{value}\n" for name, value in signed)
        request = f"{method}\n{path}\n{parameters}\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(request.encode()).hexdigest()
        signature = hmac.digest(
            _signing_key(access_key.secret, day, self._region),
            f"{ALGORITHM}\n{clock}\n{scope}\n{digest}".encode(),
            "sha256",
        ).hex()
        return f"{self._origin}{path}?{parameters}&X-Amz-Signature={signature}"


def _parameters(
    access_key: AccessKey,
    scope: str,
    clock: str,
    ttl_s: int,
    signed_names: str,
    query: Iterable[tuple[str, str]],
) -> str:
    """Return the query in its canonical order, in which small letters follow capitals."""
    credential = f"{access_key.id}/{scope}"
    token = access_key.token
    own = "".join(
        f"&{quote(name, safe=UNRESERVED)}={quote(value, safe=UNRESERVED)}"
        for name, value in sorted(query)
    )
    return (
        f"X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={quote(credential, safe=UNRESERVED)}"
        f"&X-Amz-Date={clock}&X-Amz-Expires={ttl_s}"
        + (f"&X-Amz-Security-Token={quote(token, safe=UNRESERVED)}" if token else "")
        + f"&X-Amz-SignedHeaders={quote(signed_names, safe=UNRESERVED)}{own}"
    )


@lru_cache(maxsize=16)
def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for word in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, word.encode(), "sha256")
    return key


def _host_header(scheme: str, authority: str) -> str:
    """Return what clients send as Host: without the scheme's own port."""
    usual = {"http": ":80", "https": ":443"}[scheme]
    return authority.lower().removesuffix(usual)
