"""APNs: Apple's provider API over HTTP/2, with provider tokens (ES256).

A provider token is renewed after 40 minutes: Apple refuses one older than 60, and more than one
renewal in 20, over all who use the key. So each is issued at a full 40 minutes of the clock and
signed in the one way that follows from its text (RFC 6979): all worker processes have the same
token, and need not tell each other. Headers that differ from push to push are kept out of the
tables, as Apple advises.
"""

import asyncio
import re
import ssl
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.utils import base64url_encode, der_to_raw_signature

from models.push.addresses import APNS_TOKEN, APNS_TOPIC, ApnsAddress, PushAddress, PushEndpointKind
from workers.push.http2.client import Http2Client
from workers.push.http2.connection import Header, NoAnswer, Response, secret_header
from workers.push.providers.pushes import (
    DELIVERED,
    Blames,
    ProviderAnswer,
    Push,
    PushOutcome,
    find_fields,
    find_retry_after_s,
    fit,
)
from workers.push.providers.settings import APNS_SANDBOX_URL, APNS_URL

MAX_PAYLOAD_BYTES = 4096
MAX_COLLAPSE_ID_BYTES = 64
RENEW_TOKEN_AFTER_S = 40 * 60
RENEW_TOKEN_NOT_BEFORE_S = 20 * 60

_REASON = re.compile(r"[A-Za-z]{1,60}", re.ASCII)
# Besides 410. A 404 is about our address of Apple, not about the endpoint.
_GONE = frozenset({"BadDeviceToken", "DeviceTokenNotForTopic", "Unregistered", "ExpiredToken"})
_EXPIRED = "403 ExpiredProviderToken"
# The one 429 that is about us all; the other is about one device's token.
_TOO_MANY_TOKENS = "TooManyProviderTokenUpdates"
TOO_MANY_TOKENS_S = 60.0
_encode = msgspec.json.Encoder().encode


class Apns:
    kind = PushEndpointKind.APNS

    def __init__(
        self,
        *,
        key: str,
        key_id: str,
        team_id: str,
        url: str = APNS_URL,
        sandbox_url: str = APNS_SANDBOX_URL,
        concurrency: int = 200,
        deadline_s: float = 10.0,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`key` is the .p8 file's text.

        Raises:
            ValueError: it is no P-256 key in PEM.
        """
        self.concurrency = concurrency
        self._clock = clock
        self._token = _ProviderToken(key, key_id, team_id, clock)
        self._gates = {False: f"APNS {url}", True: f"APNS {sandbox_url}"}
        # Each may take all of it: who sends is bounded by the kind.
        self._production = Http2Client(url, concurrency=concurrency, deadline_s=deadline_s, tls=tls)
        self._sandbox = Http2Client(
            sandbox_url, concurrency=concurrency, deadline_s=deadline_s, tls=tls
        )

    def gate(self, address: PushAddress) -> str:
        assert isinstance(address, ApnsAddress)
        return self._gates[address.sandbox]

    async def send(self, address: PushAddress, push: Push) -> ProviderAnswer:
        assert isinstance(address, ApnsAddress)
        if not APNS_TOKEN.fullmatch(address.token):
            return ProviderAnswer(PushOutcome.GONE, said="BadDeviceToken")
        if not APNS_TOPIC.fullmatch(address.topic):
            return ProviderAnswer(PushOutcome.REJECTED, said="BadTopic")
        client = self._sandbox if address.sandbox else self._production
        path, headers, body = (
            f"/3/device/{address.token}".encode(),
            self._headers(push, address.topic),
            payload(push),
        )
        try:
            for _ in range(2):
                token = self._token.current()
                response = await client.post(path, [*headers, (b"authorization", token)], body)
                answer = self._read(response)
                if answer.said != _EXPIRED or not self._token.renew(token):
                    break
        except NoAnswer as error:
            return ProviderAnswer(PushOutcome.RETRY, said=str(error))
        return answer

    async def close(self) -> None:
        await asyncio.gather(self._production.close(), self._sandbox.close())

    def _headers(self, push: Push, topic: str) -> list[Header]:
        expires_at = int(self._clock()) + push.ttl_s if push.ttl_s else 0
        return [
            (b"apns-topic", topic.encode()),
            (b"apns-push-type", b"background" if push.silent else b"alert"),
            (b"apns-priority", b"5" if push.silent else b"10"),
            secret_header(b"apns-expiration", b"%d" % expires_at),
            secret_header(b"apns-collapse-id", push.thread.encode()[:MAX_COLLAPSE_ID_BYTES]),
            secret_header(b"apns-id", str(uuid.UUID(push.id)).encode()),
        ]

    def _read(self, response: Response) -> ProviderAnswer:
        if response.status == 200:
            return DELIVERED
        reason = _reason(response.body)
        said = f"{response.status} {reason}".rstrip()
        if response.status == 410 or reason in _GONE:
            return ProviderAnswer(PushOutcome.GONE, said=said)
        # Expired all the same: one of the two clocks is wrong, and will be put right.
        if response.status == 429 or response.status >= 500 or said == _EXPIRED:
            return self._read_later(response, reason, said)
        return ProviderAnswer(PushOutcome.REJECTED, said=said)

    def _read_later(self, response: Response, reason: str, said: str) -> ProviderAnswer:
        value = response.headers.get(b"retry-after", b"").decode("latin-1")
        after_s = find_retry_after_s(value, datetime.fromtimestamp(self._clock(), UTC))
        if reason == _TOO_MANY_TOKENS:
            return ProviderAnswer(
                PushOutcome.RETRY, after_s or TOO_MANY_TOKENS_S, said, Blames.PROVIDER
            )
        if response.status == 429:
            return ProviderAnswer(PushOutcome.RETRY, after_s, said, Blames.ENDPOINT)
        said_later = response.status == 503 or after_s is not None
        return ProviderAnswer(
            PushOutcome.RETRY, after_s, said, Blames.PROVIDER if said_later else Blames.UNSURE
        )


def payload(push: Push) -> bytes:
    """At most 4096 bytes, for which a long body is cut."""
    body = _encode(_fields(push))
    if len(body) > MAX_PAYLOAD_BYTES:
        body = _encode(_fields(fit(push, len(body) - MAX_PAYLOAD_BYTES)))
    return body


def _fields(push: Push) -> dict[str, Any]:
    aps: dict[str, Any] = {"badge": push.badge}
    if push.silent:
        aps["content-available"] = 1
    else:
        alert = {"title": push.title, "body": push.body}
        aps["alert"] = {name: text for name, text in alert.items() if text is not None}
        if not push.quiet:
            aps["sound"] = "default"
        aps["thread-id"] = push.thread
        # Lets the app's extension decrypt or add a picture before it shows.
        aps["mutable-content"] = 1
    return {"aps": aps, **find_fields(push)}


def _reason(body: bytes) -> str:
    try:
        reason = msgspec.json.decode(body)["reason"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return ""
    return reason if isinstance(reason, str) and _REASON.fullmatch(reason) else ""


class _ProviderToken:
    """The authorization header, the same for all pushes of 40 minutes in all processes."""

    def __init__(self, key: str, key_id: str, team_id: str, clock: Callable[[], float]) -> None:
        loaded = load_pem_private_key(key.encode(), None)
        if not isinstance(loaded, EllipticCurvePrivateKey) or loaded.curve.name != "secp256r1":
            raise ValueError("the APNs key must be a P-256 key")
        self._key, self._key_id, self._team_id = loaded, key_id, team_id
        self._clock = clock
        self._issued_at = -1
        self._value = b""

    def current(self) -> bytes:
        issued_at = self._find_turn(RENEW_TOKEN_AFTER_S)
        # A clock that was set back would keep a token for too long.
        if not issued_at <= self._issued_at <= self._clock():
            self._issue(issued_at)
        return self._value

    def renew(self, refused: bytes) -> bool:
        """Return True if there is a newer token than `refused` now: one for all that were refused
        with it, unless it is too young to be renewed.
        """
        issued_at = self._find_turn(RENEW_TOKEN_NOT_BEFORE_S)
        if issued_at > self._issued_at:
            self._issue(issued_at)
        return self._value != refused

    def _find_turn(self, every_s: int) -> int:
        """Return the last full `every_s` of the clock: the same in all processes."""
        return int(self._clock()) // every_s * every_s

    def _issue(self, issued_at: int) -> None:
        self._issued_at = issued_at
        head = _part({"alg": "ES256", "kid": self._key_id, "typ": "JWT"})
        text = head + b"." + _part({"iat": issued_at, "iss": self._team_id})
        signature = self._key.sign(text, ECDSA(SHA256(), deterministic_signing=True))
        raw = der_to_raw_signature(signature, self._key.curve)
        self._value = b"bearer " + text + b"." + base64url_encode(raw)


def _part(fields: dict[str, Any]) -> bytes:
    return base64url_encode(_encode(fields))
