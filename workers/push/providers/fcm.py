"""FCM: the HTTP v1 API, as a service account.

Collapsing is left to FCM: it keeps one notification a device that is off, whatever we say, and at
most four collapse keys; the `tag` replaces what is shown, per channel. Removals are data without a
key, so that one channel's does not displace another's. iOS apps behind FCM get APNs' own fields.
"""

import asyncio
import re
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from models.push.addresses import FcmAddress, PushAddress, PushEndpointKind
from workers.push.http2.client import Http2Client
from workers.push.http2.connection import NoAnswer, Response
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
from workers.push.providers.settings import FCM_URL

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# Of title, text and data together.
MAX_PAYLOAD_BYTES = 4096
MAX_TTL_S = 28 * 86_400
MAX_COLLAPSE_ID_BYTES = 64
ASSERTION_LIVES_S = 3600
# What Google asks for where its 429 does not say.
RATE_LIMITED_S = 60.0
# An access token is renewed so long before its end.
TOKEN_LEFT_S = 300

_CODE = re.compile(r"[A-Za-z_]{1,60}", re.ASCII)
_encode = msgspec.json.Encoder().encode


class ServiceAccount(msgspec.Struct, frozen=True):
    """Of the JSON file that Google gives out, what is used."""

    project_id: str
    client_email: str
    private_key: str
    token_uri: str
    private_key_id: str = ""

    def __repr__(self) -> str:
        return f"ServiceAccount(project_id={self.project_id!r})"


class Fcm:
    kind = PushEndpointKind.FCM

    def __init__(
        self,
        *,
        service_account: str,
        url: str = FCM_URL,
        concurrency: int = 200,
        deadline_s: float = 10.0,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`service_account` is the JSON file's text.

        Raises:
            ValueError: it is none.
        """
        account = _load_account(service_account)
        self.concurrency = concurrency
        self._clock = clock
        self._gate = f"FCM {account.project_id}"
        self._path = f"/v1/projects/{account.project_id}/messages:send".encode()
        self._client = Http2Client(url, concurrency=concurrency, deadline_s=deadline_s, tls=tls)
        self._token = _AccessToken(account, clock, deadline_s=deadline_s, tls=tls)

    def gate(self, address: PushAddress) -> str:
        return self._gate

    async def send(self, address: PushAddress, push: Push) -> ProviderAnswer:
        assert isinstance(address, FcmAddress)
        body = payload(push, address.token)
        try:
            for _ in range(2):
                token = await self._token.current()
                headers = [(b"authorization", token), (b"content-type", b"application/json")]
                response = await self._client.post(self._path, headers, body)
                answer = self._read(response)
                if response.status != 401 or answer.outcome is not PushOutcome.RETRY:
                    break
                self._token.forget(token)
        except NoAnswer as error:
            return ProviderAnswer(PushOutcome.RETRY, said=str(error))
        except _NoToken as error:
            return error.answer
        return answer

    async def close(self) -> None:
        await asyncio.gather(self._client.close(), self._token.close())

    def _read(self, response: Response) -> ProviderAnswer:
        if response.status == 200:
            return DELIVERED
        code, about_token = _find_error(response.body)
        said = f"{response.status} {code}".rstrip()
        if code == "UNREGISTERED" or (code == "INVALID_ARGUMENT" and about_token):
            return ProviderAnswer(PushOutcome.GONE, said=said)
        # The access token; not what Google says when its own way to Apple is wrongly set up.
        if response.status == 401 and code != "THIRD_PARTY_AUTH_ERROR":
            return ProviderAnswer(PushOutcome.RETRY, said=said)
        return _read_failure(response, said, self._clock())


def _read_failure(response: Response, said: str, now: float) -> ProviderAnswer:
    if response.status == 429 or response.status >= 500:
        value = response.headers.get(b"retry-after", b"").decode("latin-1")
        retry_after_s = find_retry_after_s(value, datetime.fromtimestamp(now, UTC))
        if retry_after_s is None and response.status == 429:
            retry_after_s = RATE_LIMITED_S
        said_later = response.status in (429, 503) or retry_after_s is not None
        blames = Blames.PROVIDER if said_later else Blames.UNSURE
        return ProviderAnswer(PushOutcome.RETRY, retry_after_s, said, blames)
    # SENDER_ID_MISMATCH among them: a service account of another project would have every endpoint
    # pruned for good.
    return ProviderAnswer(PushOutcome.REJECTED, said=said)


def payload(push: Push, token: str) -> bytes:
    """Its title, text and data are at most 4,096 bytes, for which a long text is cut."""
    size = len(_encode([push.title, push.body, find_fields(push)]))
    return _encode({"message": _message(fit(push, size - MAX_PAYLOAD_BYTES), token)})


def _message(push: Push, token: str) -> dict[str, Any]:
    ttl_s = min(push.ttl_s, MAX_TTL_S)
    android: dict[str, Any] = {"priority": "NORMAL" if push.silent else "HIGH", "ttl": f"{ttl_s}s"}
    message: dict[str, Any] = {"token": token, "data": find_fields(push), "android": android}
    headers = {"apns-push-type": "background", "apns-priority": "5"}
    aps: dict[str, Any] = {"badge": push.badge, "content-available": 1}
    if not push.silent:
        shown = {"title": push.title, "body": push.body}
        message["notification"] = {name: text for name, text in shown.items() if text is not None}
        android["notification"] = {"tag": push.thread, "notification_count": push.badge}
        collapse_id = push.thread.encode()[:MAX_COLLAPSE_ID_BYTES].decode("utf-8", "ignore")
        headers = {
            "apns-push-type": "alert",
            "apns-priority": "10",
            "apns-collapse-id": collapse_id,
        }
        aps = {"badge": push.badge, "thread-id": push.thread, "mutable-content": 1}
        if not push.quiet:
            aps["sound"] = "default"
    message["apns"] = {"headers": headers, "payload": {"aps": aps}}
    return message


class _Violation(msgspec.Struct):
    field: str = ""


class _Detail(msgspec.Struct):
    error_code: str | None = msgspec.field(default=None, name="errorCode")
    violations: list[_Violation] = msgspec.field(default_factory=list, name="fieldViolations")


class _Error(msgspec.Struct):
    status: str = ""
    message: str = ""
    details: list[_Detail] = msgspec.field(default_factory=list)


class _Failure(msgspec.Struct):
    error: _Error


_decode = msgspec.json.Decoder(_Failure).decode


def _find_error(body: bytes) -> tuple[str, bool]:
    """FCM's own code (`UNREGISTERED`), or else Google's; and whether it is about the token."""
    try:
        error = _decode(body).error
    except (msgspec.DecodeError, msgspec.ValidationError):
        return "", False
    code = next((one.error_code for one in error.details if one.error_code), error.status)
    fields = [violation.field for one in error.details for violation in one.violations]
    about_token = fields == ["message.token"] or (
        not fields and "registration token is not a valid" in error.message
    )
    return (code if _CODE.fullmatch(code) else ""), about_token


def _load_account(text: str) -> ServiceAccount:
    try:
        account = msgspec.json.decode(text, type=ServiceAccount)
    except msgspec.DecodeError:
        raise ValueError("the FCM service account is not the JSON that Google gives out") from None
    if not re.fullmatch(r"[a-z0-9:.-]+", account.project_id):
        raise ValueError("the FCM service account names no project")
    return account


class _NoToken(Exception):
    """There is no access token; `answer` is what that means for a push."""

    def __init__(self, answer: ProviderAnswer) -> None:
        self.answer = answer


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: float


class _AccessToken:
    """The authorization header, asked for once for all who need it, and kept until shortly before
    its end.
    """

    def __init__(
        self,
        account: ServiceAccount,
        clock: Callable[[], float],
        *,
        deadline_s: float,
        tls: ssl.SSLContext | None,
    ) -> None:
        key = load_pem_private_key(account.private_key.encode(), None)
        if not isinstance(key, RSAPrivateKey):
            raise ValueError("the FCM service account's key must be an RSA key")
        self._account, self._key, self._clock = account, key, clock
        parts = urlsplit(account.token_uri)
        self._path = (parts.path or "/").encode()
        self._client = Http2Client(
            f"{parts.scheme}://{parts.netloc}", concurrency=1, deadline_s=deadline_s, tls=tls
        )
        self._value = b""
        self._expires_at = 0.0
        self._asking: asyncio.Task[None] | None = None

    async def current(self) -> bytes:
        """
        Raises:
            _NoToken: Google gives none.
        """
        if self._clock() > self._expires_at - TOKEN_LEFT_S:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask())
                # Nobody may be left to hear how it failed.
                self._asking.add_done_callback(lambda task: task.cancelled() or task.exception())
            # Who leaves does not take it from the others.
            await asyncio.shield(self._asking)
        return self._value

    def forget(self, refused: bytes) -> None:
        if self._value == refused:
            self._expires_at = 0.0

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        await self._client.close()

    async def _ask(self) -> None:
        form = urlencode({"grant_type": GRANT, "assertion": self._assertion()}).encode()
        headers = [(b"content-type", b"application/x-www-form-urlencoded")]
        try:
            response = await self._client.post(self._path, headers, form)
        except NoAnswer as error:
            raise _NoToken(ProviderAnswer(PushOutcome.RETRY, said=f"token: {error}")) from None
        if response.status != 200:
            raise _NoToken(_read_failure(response, f"token: {response.status}", self._clock()))
        try:
            granted = msgspec.json.decode(response.body, type=_Granted)
        except msgspec.DecodeError:
            raise _NoToken(
                ProviderAnswer(PushOutcome.RETRY, said="token: not understood")
            ) from None
        self._value = b"Bearer " + granted.access_token.encode()
        self._expires_at = self._clock() + granted.expires_in

    def _assertion(self) -> str:
        now = int(self._clock())
        claims = {
            "iss": self._account.client_email,
            "scope": SCOPE,
            "aud": self._account.token_uri,
            "iat": now,
            "exp": now + ASSERTION_LIVES_S,
        }
        headers = {"kid": self._account.private_key_id}
        return jwt.encode(claims, self._key, algorithm="RS256", headers=headers)
