"""Tokens: make and read the proof of who a device is, without a database.

An access token is a JWT (HS256 and nothing else); a refresh token is a MAC over user, device and
generation, so that the same next one can be answered again though none is stored. Each purpose has
a key of its own, derived from the one secret, so that no token of one kind passes for another.
Reading never says why a token is not good.

A secret is changed in two steps: the new one signs from now on, and what the one before signed is
still read, until there is no more of it.
"""

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime
from typing import Any

import jwt
import msgspec

from models.limits.limits import Limits

ISSUER = "parley"
AUDIENCE = "parley-api"
# Ours have some 330 and 120 characters; nothing longer is parsed.
MAX_ACCESS_LENGTH = 2048
MAX_REFRESH_LENGTH = 256
CURSOR_MAC_BYTES = 16

_REQUIRED = ["iss", "aud", "sub", "dev", "gen", "iat", "exp"]
_ID = re.compile(r"[0-9a-f]{32}")
_REFRESH = re.compile(r"prt_([0-9a-f]{32})([0-9a-f]{32})_([1-9][0-9]{0,8})_([A-Za-z0-9_-]{43})")
_UNSUBSCRIBE = re.compile(r"pu([cd])_([0-9a-f]{32})([0-9a-f]{64})_[0-9a-f]{40}")


class AccessClaims(msgspec.Struct, frozen=True):
    """The claims of an access token."""

    user_id: str
    device_id: str
    generation: int
    expires_at: datetime


class RefreshClaims(msgspec.Struct, frozen=True):
    """The claims of a refresh token. It holds no time: the device's row says when it is too old."""

    user_id: str
    device_id: str
    generation: int


class UnsubscribeClaims(msgspec.Struct, frozen=True):
    """The claims of a link that stops mails: the user and the digest of the address. `refuse` says
    that the link came in a mail with a code.
    """

    user_id: str
    digest: bytes
    refuse: bool


class Tokens:
    """Makes and reads tokens, and hashes one-time codes, with keys derived from the server's
    secret. `previous_secret` only reads and compares; nothing new is made with it.
    """

    def __init__(self, secret: str, limits: Limits, *, previous_secret: str | None = None) -> None:
        self.limits = limits
        secrets = [secret] if previous_secret is None else [secret, previous_secret]
        # Of each purpose the key that signs, then those that are read besides.
        self._access_keys = [_derive(each, "access token") for each in secrets]
        self._refresh_keys = [_derive(each, "refresh token") for each in secrets]
        self._code_keys = [_derive(each, "one-time code") for each in secrets]
        self._mail_code_keys = [_derive(each, "code by mail") for each in secrets]
        self._unsubscribe_keys = [_derive(each, "unsubscribe") for each in secrets]
        self._network_keys = [_derive(each, "network") for each in secrets]
        self._cursor_keys = [_derive(each, "inbox cursor") for each in secrets]
        # What tells secrets apart, and says nothing else about them: the one that signs first.
        self.fingerprints = [_derive(each, "fingerprint").hex()[:16] for each in secrets]
        # Every token of ours begins with the same header: one that does not is not parsed at all.
        header, _, _ = jwt.encode({}, self._access_keys[0], algorithm="HS256").partition(".")
        self._header = f"{header}."

    def make_access(
        self, user_id: str, device_id: str, generation: int, *, now: datetime
    ) -> tuple[str, datetime]:
        """Return an access token and when it expires."""
        issued_at = int(now.timestamp())
        expires_at = issued_at + self.limits.access_token_ttl_s
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user_id,
            "dev": device_id,
            "gen": generation,
            "iat": issued_at,
            "exp": expires_at,
        }
        token = jwt.encode(claims, self._access_keys[0], algorithm="HS256")
        return token, datetime.fromtimestamp(expires_at, UTC)

    def read_access(self, token: str, *, now: datetime) -> AccessClaims | None:
        """Return the claims of an access token; None if it is not ours, or has expired. There is no
        leeway for clocks.
        """
        if (
            len(token) > MAX_ACCESS_LENGTH
            or not token.isascii()
            or not token.startswith(self._header)
        ):
            return None
        for key in self._access_keys:
            found = _read_claims(token, key)
            if found is not None:
                return found if now < found.expires_at else None
        return None

    def make_refresh(self, user_id: str, device_id: str, generation: int) -> str:
        """Return the refresh token of the device's pair of this generation: always the same one."""
        return _refresh_token(self._refresh_keys[0], user_id, device_id, generation)

    def read_refresh(self, token: str) -> RefreshClaims | None:
        """Return the claims of the token; None if it is not ours."""
        found = _REFRESH.fullmatch(token) if len(token) <= MAX_REFRESH_LENGTH else None
        if found is None:
            return None
        claims = RefreshClaims(found[1], found[2], int(found[3]))
        parts = claims.user_id, claims.device_id, claims.generation
        expected = [_refresh_token(key, *parts) for key in self._refresh_keys]
        # Compared with all, so that it takes as long whichever it is.
        return claims if True in [hmac.compare_digest(each, token) for each in expected] else None

    def hash_code(self, purpose: int, place: str, secret: str, code: str) -> bytes:
        """Return what is stored of a one-time code: of no use without its purpose, where it was
        sent (a number or an address), its request's secret and the server's.
        """
        return _code_hash(self._code_keys[0], purpose, place, secret, code)

    def code_matches(
        self, code_hash: bytes, purpose: int, place: str, secret: str, code: str
    ) -> bool:
        """Return whether the hash is that of this code; takes as long either way."""
        hashes = [_code_hash(key, purpose, place, secret, code) for key in self._code_keys]
        return True in [hmac.compare_digest(code_hash, each) for each in hashes]

    def make_mail_code(self, user_id: str, address: str, nonce: bytes) -> str:
        """Return the code that follows from the nonce: 6 digits, of no other user or address."""
        return _mail_code(self._mail_code_keys[0], user_id, address, nonce)

    def is_mail_code(self, user_id: str, address: str, nonce: bytes, code: str) -> bool:
        codes = [_mail_code(key, user_id, address, nonce) for key in self._mail_code_keys]
        return True in [hmac.compare_digest(each.encode(), code.encode()) for each in codes]

    def make_unsubscribe(self, claims: UnsubscribeClaims) -> str:
        """Return what the link in a mail holds. It never ends, and names no address."""
        return _unsubscribe_token(self._unsubscribe_keys[0], claims)

    def read_unsubscribe(self, token: str) -> UnsubscribeClaims | None:
        """Return the claims of the token; None if it is not ours."""
        found = _UNSUBSCRIBE.fullmatch(token) if len(token) <= MAX_REFRESH_LENGTH else None
        if found is None:
            return None
        claims = UnsubscribeClaims(found[2], bytes.fromhex(found[3]), found[1] == "c")
        expected = [_unsubscribe_token(key, claims) for key in self._unsubscribe_keys]
        return claims if True in [hmac.compare_digest(each, token) for each in expected] else None

    def mac_of_cursor(self, user_id: str, device_id: str, body: bytes) -> bytes:
        """Return what binds a cursor of the inbox to its user and device."""
        return _cursor_mac(self._cursor_keys[0], user_id, device_id, body)

    def is_mac_of_cursor(self, user_id: str, device_id: str, body: bytes, mac: bytes) -> bool:
        macs = [_cursor_mac(key, user_id, device_id, body) for key in self._cursor_keys]
        return True in [hmac.compare_digest(each, mac) for each in macs]

    def digest_secret(self, secret: str) -> bytes:
        """Return what a request for a code is found by. A request's secret is random and long:
        its digest needs no key.
        """
        return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()

    def digest_network(self, owner: str, network: str) -> bytes:
        """Return what is stored of where somebody was: of no use without the server's secret."""
        return self.digests_of_network(owner, network)[0]

    def digests_of_network(self, owner: str, network: str) -> list[bytes]:
        """Return all that may be stored of the same network: one for each secret."""
        body = f"{owner} {network}".encode()
        return [hmac.digest(key, body, hashlib.sha256)[:16] for key in self._network_keys]


def _derive(secret: str, purpose: str) -> bytes:
    return hmac.digest(secret.encode(), b"parley v1 " + purpose.encode(), hashlib.sha256)


def _refresh_token(key: bytes, user_id: str, device_id: str, generation: int) -> str:
    body = f"prt_{user_id}{device_id}_{generation}"
    mac = hmac.digest(key, body.encode(), hashlib.sha256)
    return f"{body}_{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _mail_code(key: bytes, user_id: str, address: str, nonce: bytes) -> str:
    mac = hmac.digest(key, f"{user_id} {nonce.hex()} {address}".encode(), hashlib.sha256)
    return f"{int.from_bytes(mac[:8]) % 1_000_000:06}"


def _unsubscribe_token(key: bytes, claims: UnsubscribeClaims) -> str:
    body = f"pu{'c' if claims.refuse else 'd'}_{claims.user_id}{claims.digest.hex()}"
    return f"{body}_{hmac.digest(key, body.encode(), hashlib.sha256).hex()[:40]}"


def _cursor_mac(key: bytes, user_id: str, device_id: str, body: bytes) -> bytes:
    owner = bytes.fromhex(user_id + device_id)
    return hmac.digest(key, owner + body, hashlib.sha256)[:CURSOR_MAC_BYTES]


def _code_hash(key: bytes, purpose: int, place: str, secret: str, code: str) -> bytes:
    body = f"{purpose} {place} {secret} {code}".encode(errors="surrogatepass")
    return hmac.digest(key, body, hashlib.sha256)


def _read_claims(token: str, key: bytes) -> AccessClaims | None:
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=["HS256"],
            audience=AUDIENCE,
            issuer=ISSUER,
            # Time is compared later, with the caller's clock.
            options={
                "require": _REQUIRED,
                "verify_exp": False,
                "verify_iat": False,
                "strict_aud": True,
            },
        )
    except jwt.PyJWTError:
        return None
    return _access_claims(claims)


def _access_claims(claims: dict[str, Any]) -> AccessClaims | None:
    user_id, device_id, generation, expires = (
        claims["sub"],
        claims["dev"],
        claims["gen"],
        claims["exp"],
    )
    if not (isinstance(device_id, str) and _ID.fullmatch(device_id) and _ID.fullmatch(user_id)):
        return None
    if type(generation) is not int or type(expires) is not int or not 0 < expires < 2**37:
        return None
    return AccessClaims(user_id, device_id, generation, datetime.fromtimestamp(expires, UTC))
