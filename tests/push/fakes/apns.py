"""A fake APNs: checks what Apple's documentation says that Apple checks, in that order.

As Apple's, it allows one stream until a first valid token has come.
"""

import json
import re
import ssl
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.push.fakes.http2 import Http2Server, Reply, Request

KEY_ID, TEAM_ID = "ABC123DEFG", "DEF123GHIJ"
TOPIC = "chat.example.app"
TOKEN_LIVES_S, TOKEN_RENEWED_S = 3600, 1200
DEVICE_PATH = re.compile(r"/3/device/([^/]+)")


@dataclass(frozen=True)
class Accepted:
    device: str
    id: str
    headers: dict[str, str]
    payload: dict[str, Any]
    connection: int


class FakeApns(Http2Server):
    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
        topic: str = TOPIC,
    ) -> None:
        super().__init__(tls=tls, streams=1)
        self._clock = clock
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._topic = topic
        # Each token that was presented, by when it was issued.
        self.tokens: dict[str, float] = {}
        self._trusted: set[int] = set()
        self.accepted: list[Accepted] = []
        self.unregistered: set[str] = set()

    @property
    def key(self) -> str:
        """Return the .p8 file's text."""
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return pem.decode()

    def answer(self, request: Request) -> Reply:
        refusal = self._check(request)
        if refusal is not None:
            status, reason = refusal
            return Reply(status, {}, json.dumps({"reason": reason}).encode())
        message_id = request.headers.get("apns-id") or str(uuid.uuid4())
        device = request.path.rpartition("/")[2]
        payload = json.loads(request.body)
        self.accepted.append(
            Accepted(device, message_id, request.headers, payload, request.connection)
        )
        return Reply(200, {"apns-id": message_id})

    def _check(self, request: Request) -> tuple[int, str] | None:
        if request.method != "POST":
            return 405, "MethodNotAllowed"
        if not DEVICE_PATH.fullmatch(request.path):
            return 404, "BadPath"
        return (
            self._check_token(request) or self._check_headers(request) or self._check_body(request)
        )

    def _check_token(self, request: Request) -> tuple[int, str] | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return 403, "MissingProviderToken"
        if token not in self.tokens:
            issued_at = self._find_issued_at(token)
            if issued_at is None:
                return 403, "InvalidProviderToken"
            if any(abs(issued_at - other) < TOKEN_RENEWED_S for other in self.tokens.values()):
                return 429, "TooManyProviderTokenUpdates"
            self.tokens[token] = issued_at
        if not -60 < self._clock() - self.tokens[token] < TOKEN_LIVES_S:
            return 403, "ExpiredProviderToken"
        if request.connection not in self._trusted:
            self._trusted.add(request.connection)
            for connection in self.connections:
                connection.allow(1000)
        return None

    def _find_issued_at(self, token: str) -> float | None:
        try:
            if jwt.get_unverified_header(token).get("kid") != KEY_ID:
                return None
            claims = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=["ES256"],
                issuer=TEAM_ID,
                options={"require": ["iss", "iat"], "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            return None
        return float(claims["iat"])

    def _check_headers(self, request: Request) -> tuple[int, str] | None:
        headers = request.headers
        background = headers.get("apns-push-type") == "background"
        checks = {
            "BadMessageId": _is_uuid(headers.get("apns-id")),
            "BadExpirationDate": headers.get("apns-expiration", "0").isdigit(),
            "BadPriority": headers.get("apns-priority") in (("5",) if background else ("5", "10")),
            "InvalidPushType": headers.get("apns-push-type") in ("alert", "background"),
            "BadCollapseId": len(headers.get("apns-collapse-id", "").encode()) <= 64,
            "MissingTopic": "apns-topic" in headers,
        }
        return next(((400, reason) for reason, good in checks.items() if not good), None)

    def _check_body(self, request: Request) -> tuple[int, str] | None:
        device = request.path.rpartition("/")[2]
        if not request.body:
            return 400, "PayloadEmpty"
        if len(request.body) > 4096:
            return 413, "PayloadTooLarge"
        if not re.fullmatch("[0-9a-f]{64}", device):
            return 400, "BadDeviceToken"
        if request.headers["apns-topic"] != self._topic:
            return 400, "DeviceTokenNotForTopic"
        if device in self.unregistered:
            return 410, "Unregistered"
        return None


def _is_uuid(value: str | None) -> bool:
    return value is None or bool(re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value))
