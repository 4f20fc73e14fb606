"""VAPID (RFC 8292): who we are to a push service, by the key that browsers subscribe with."""

import base64
from collections.abc import Callable
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from models.push.addresses import decode_base64url

LIVES_S = 12 * 3600
# A service's token is renewed when it has less than this to live.
LEFT_S = 3600
# Origins are what people say they are: no more are remembered than real services need.
MAX_ORIGINS = 1000

_CURVE = ec.SECP256R1()


def load_vapid_key(text: str) -> ec.EllipticCurvePrivateKey:
    """From PEM, or from 32 bytes in base64url as most generators print them.

    Raises:
        ValueError: it is no P-256 key.
    """
    if "-----" not in text:
        value = int.from_bytes(decode_base64url(text.strip()), "big")
        return ec.derive_private_key(value, _CURVE)
    key = load_pem_private_key(text.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise ValueError("the VAPID key must be a P-256 key")
    return key


@dataclass(frozen=True, slots=True)
class _Token:
    authorization: bytes
    expires_at: float


class Vapid:
    """Who we are, one signed token for each service's origin."""

    def __init__(
        self, key: ec.EllipticCurvePrivateKey, subject: str, clock: Callable[[], float]
    ) -> None:
        self._key, self._subject, self._clock = key, subject, clock
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public_key = base64.urlsafe_b64encode(point).rstrip(b"=").decode()
        self._tokens: dict[str, _Token] = {}

    def authorization(self, origin: str) -> bytes:
        left_s = self._find_left_s(origin)
        if not LEFT_S < left_s <= LIVES_S:
            self._mint(origin)
        return self._tokens[origin].authorization

    def _find_left_s(self, origin: str) -> float:
        token = self._tokens.get(origin)
        return token.expires_at - self._clock() if token else 0.0

    def _mint(self, origin: str) -> None:
        if len(self._tokens) >= MAX_ORIGINS:
            self._tokens.clear()
        expires_at = self._clock() + LIVES_S
        claims = {"aud": origin, "exp": int(expires_at), "sub": self._subject}
        token = jwt.encode(claims, self._key, algorithm="ES256")
        self._tokens[origin] = _Token(f"vapid t={token}, k={self.public_key}".encode(), expires_at)
