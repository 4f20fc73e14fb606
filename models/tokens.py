"""Tokens: what a device shows to be let in, made and read without a database.

An access token is a JWT (HS256 and nothing else); a refresh token is a MAC over user, device and
generation, so that the same next one can be answered again though none is stored. Each purpose has
a key of its own, derived from the one secret, so that no token of one kind passes for another.
Reading never says why a token is not good.
"""

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime
from typing import Any

import jwt
import msgspec

from models.limits import Limits

ISSUER = "parley"
AUDIENCE = "parley-api"
# Ours have some 330 and 120 characters; nothing longer is parsed.
MAX_ACCESS_LENGTH = 2048
MAX_REFRESH_LENGTH = 256

_REQUIRED = ["iss", "aud", "sub", "dev", "gen", "iat", "exp"]
_ID = re.compile(r"[0-9a-f]{32}")
_REFRESH = re.compile(r"prt_([0-9a-f]{32})([0-9a-f]{32})_([1-9][0-9]{0,8})_([A-Za-z0-9_-]{43})")


class AccessClaims(msgspec.Struct, frozen=True):
    user_id: str
    device_id: str
    generation: int
    expires_at: datetime


class RefreshClaims(msgspec.Struct, frozen=True):
    user_id: str
    device_id: str
    generation: int


class Tokens:
    """Makes and reads tokens, and hashes one-time codes, with keys derived from the server's
    secret.
    """

    def __init__(self, secret: str, limits: Limits) -> None:
        self.limits = limits
        self._access_key = _derive(secret, "access token")
        self._refresh_key = _derive(secret, "refresh token")
        self._code_key = _derive(secret, "one-time code")
        # Every token of ours begins with the same header: one that does not is not parsed at all.
        self._header = jwt.encode({}, self._access_key, algorithm="HS256").partition(".")[0] + "."

    def make_access(
        self, user_id: str, device_id: str, generation: int, *, now: datetime
    ) -> tuple[str, datetime]:
        """The token and when it ends."""
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
        token = jwt.encode(claims, self._access_key, algorithm="HS256")
        return token, datetime.fromtimestamp(expires_at, UTC)

    def read_access(self, token: str, *, now: datetime) -> AccessClaims | None:
        """What the token says; None when it is not ours, or has ended. There is no leeway."""
        if (
            len(token) > MAX_ACCESS_LENGTH
            or not token.isascii()
            or not token.startswith(self._header)
        ):
            return None
        try:
            claims = jwt.decode(
                token,
                self._access_key,
                algorithms=["HS256"],
                audience=AUDIENCE,
                issuer=ISSUER,
                # Time is compared below, with the caller's clock.
                options={
                    "require": _REQUIRED,
                    "verify_exp": False,
                    "verify_iat": False,
                    "strict_aud": True,
                },
            )
        except jwt.PyJWTError:
            return None
        found = _access_claims(claims)
        return found if found is not None and now < found.expires_at else None

    def make_refresh(self, user_id: str, device_id: str, generation: int) -> str:
        """The refresh token of the device's pair of this generation: always the same one."""
        body = f"prt_{user_id}{device_id}_{generation}"
        mac = hmac.digest(self._refresh_key, body.encode(), hashlib.sha256)
        return f"{body}_{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    def read_refresh(self, token: str) -> RefreshClaims | None:
        """What the token says; None when it is not ours."""
        found = _REFRESH.fullmatch(token) if len(token) <= MAX_REFRESH_LENGTH else None
        if found is None:
            return None
        claims = RefreshClaims(found[1], found[2], int(found[3]))
        expected = self.make_refresh(claims.user_id, claims.device_id, claims.generation)
        return claims if hmac.compare_digest(expected, token) else None

    def hash_code(self, number: str, code: str) -> bytes:
        """What is stored of a one-time code; of no use without its number and the secret."""
        return hmac.digest(self._code_key, f"{number} {code}".encode(), hashlib.sha256)

    def code_matches(self, code_hash: bytes, number: str, code: str) -> bool:
        """Whether the hash is that of this code; takes as long either way."""
        return hmac.compare_digest(code_hash, self.hash_code(number, code))


def _derive(secret: str, purpose: str) -> bytes:
    return hmac.digest(secret.encode(), b"parley v1 " + purpose.encode(), hashlib.sha256)


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
