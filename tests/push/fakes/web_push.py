"""A fake push service and the browsers that subscribe with it: checks what RFC 8030, 8188, 8291 and
8292 demand, as the real services do, and decrypts with the browser's keys.
"""

import base64
import json
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import http_ece
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from models.push.addresses import WebPushAddress
from tests.push.fakes.http2 import Http2Server, Reply, Request

VAPID = re.compile(r"vapid t=([\w.-]+), k=([\w-]+)", re.ASCII)
TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)
MAX_BODY_BYTES = 4096


@dataclass
class Browser:
    """One subscription: its keys, and what it was shown."""

    path: str
    application_server_key: str | None
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    auth: bytes = b"0123456789abcdef"
    gone: bool = False

    def subscription(self, url: str) -> WebPushAddress:
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return WebPushAddress(url + self.path, encode(point), encode(self.auth))


@dataclass(frozen=True)
class Accepted:
    path: str
    headers: dict[str, str]
    claims: dict[str, Any]
    payload: dict[str, Any]


class FakeWebPush(Http2Server):
    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
        host: str | None = None,
    ) -> None:
        super().__init__(tls=tls, streams=100)
        self._clock = clock
        # By which name it is known, if not by its address.
        self.host = host
        self.browsers: dict[str, Browser] = {}
        self.accepted: list[Accepted] = []

    @property
    def origin(self) -> str:
        scheme = self.url.partition(":")[0]
        return self.url if self.host is None else f"{scheme}://{self.host}:{self.port}"

    def subscribe(self, application_server_key: str | None = None) -> WebPushAddress:
        """Return a new browser's subscription, as `setPushEndpoint` is given it."""
        path = f"/wpush/v2/{len(self.browsers)}"
        self.browsers[path] = Browser(path, application_server_key)
        return self.browsers[path].subscription(self.origin)

    def unsubscribe(self, subscription: WebPushAddress) -> None:
        self.browsers[subscription.endpoint.removeprefix(self.origin)].gone = True

    def answer(self, request: Request) -> Reply:
        browser = self.browsers.get(request.path)
        if browser is None:
            return Reply(404)
        status = self._check_headers(request) or self._check_vapid(request, browser)
        if status:
            return Reply(status)
        if browser.gone:
            return Reply(410)
        try:
            text = http_ece.decrypt(request.body, private_key=browser.key, auth_secret=browser.auth)
        except http_ece.ECEException:
            return Reply(400)
        claims = self._find_claims(request) or {}
        self.accepted.append(Accepted(request.path, request.headers, claims, json.loads(text)))
        return Reply(201, {"location": f"{self.origin}/m/{len(self.accepted)}"})

    def _check_headers(self, request: Request) -> int:
        headers = request.headers
        checks = {
            405: request.method == "POST",
            400: headers.get("ttl", "").isdigit()
            and headers.get("urgency", "normal") in ("very-low", "low", "normal", "high")
            and bool(TOPIC.fullmatch(headers.get("topic", "x"))),
            415: headers.get("content-encoding") == "aes128gcm",
            413: len(request.body) <= MAX_BODY_BYTES,
        }
        return next((status for status, good in checks.items() if not good), 0)

    def _check_vapid(self, request: Request, browser: Browser) -> int:
        claims = self._find_claims(request)
        if claims is None:
            return 401
        expires_in_s = claims["exp"] - self._clock()
        if not 0 < expires_in_s <= 24 * 3600:
            return 403
        if claims["aud"] != self.origin or not re.match("mailto:|https://", claims["sub"]):
            return 403
        known = browser.application_server_key
        return 403 if known and f"k={known}" not in request.headers["authorization"] else 0

    def _find_claims(self, request: Request) -> dict[str, Any] | None:
        match = VAPID.fullmatch(request.headers.get("authorization", ""))
        if match is None:
            return None
        token, point = match.groups()
        try:
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decode(point))
            checks = {"verify_aud": False, "verify_exp": False, "require": ["aud", "exp", "sub"]}
            return jwt.decode(token, key, algorithms=["ES256"], options=checks)  # type: ignore[arg-type]
        except (jwt.InvalidTokenError, ValueError):
            return None


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
