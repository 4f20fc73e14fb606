"""Web Push: RFC 8030, with the message encrypted for the browser (RFC 8188, 8291) and us named to
its service by VAPID (RFC 8292).

The endpoint is a URL that anybody may have given: https, public by the address that is connected
to, redirects not followed, no more read of an answer than its head. On httpcore2, which httpx2 is
made of: httpx2 gives no way to choose the address, and logs the URL, which is a secret.
"""

import asyncio
import base64
import hashlib
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import http_ece
import httpcore2
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from models.push.addresses import PushAddress, PushEndpointKind, WebPushAddress, decode_base64url
from workers.push.providers.lookups import Lookups
from workers.push.providers.public_network import (
    PublicNetwork,
    Resolve,
    UnusableUrl,
    check_push_url,
)
from workers.push.providers.pushes import (
    DELIVERED,
    MAX_STRANGERS_RETRY_AFTER_S,
    Blames,
    ProviderAnswer,
    Push,
    PushOutcome,
    find_fields,
    find_retry_after_s,
    fit,
)
from workers.push.providers.shares import NoPlace, Shares
from workers.push.providers.vapid import Vapid, load_vapid_key

# 4,096 of the message less the header (86), the padding's delimiter and the tag.
MAX_PLAINTEXT_BYTES = 3993
MAX_ANSWER_BYTES = 16 * 1024
CONNECT_S = 4.0
# When one comes back that found no place.
NO_PLACE_S = 1.0
IDLE_S = 300.0

_CUT_OFF = (
    httpcore2.ReadError,
    httpcore2.WriteError,
    httpcore2.ProtocolError,
    httpcore2.ConnectionNotAvailable,
)
_encode = msgspec.json.Encoder().encode


class WebPush:
    kind = PushEndpointKind.WEB_PUSH

    def __init__(
        self,
        *,
        private_key: str,
        subject: str,
        allow_internal: bool = False,
        resolve: Resolve | None = None,
        concurrency: int = 64,
        deadline_s: float = 10.0,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`private_key` is the VAPID key: PEM, or its 32 bytes in base64url. `subject` is who
        answers for what we send: mailto: or https:. `allow_internal` is for tests and development:
        endpoints on loopback, by http (HTTP/2 only, with prior knowledge).

        Raises:
            ValueError: the key or the subject is none.
        """
        if not subject.startswith(("mailto:", "https://")):
            raise ValueError("the VAPID subject must begin with mailto: or https://")
        # Those who wait for a place of their origin, too.
        self.concurrency = concurrency * 4
        self._shares = Shares(concurrency, inside=self.concurrency)
        self._allow_internal = allow_internal
        self._deadline_s = deadline_s
        self._clock = clock
        self._vapid = Vapid(load_vapid_key(private_key), subject, clock)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=concurrency,
            keepalive_expiry=IDLE_S,
            http1=not allow_internal,
            http2=True,
            network_backend=PublicNetwork(
                allow_internal=allow_internal, resolve=resolve or Lookups().resolve
            ),
        )

    @property
    def public_key(self) -> str:
        """Return what browsers subscribe with (`applicationServerKey`), in base64url."""
        return self._vapid.public_key

    def gate(self, address: PushAddress) -> str:
        assert isinstance(address, WebPushAddress)
        try:
            host, port = check_push_url(address.endpoint, allow_internal=self._allow_internal)
        except UnusableUrl:
            return self.kind.value
        return f"{self.kind.value} {host}:{port}"

    async def send(self, address: PushAddress, push: Push) -> ProviderAnswer:
        assert isinstance(address, WebPushAddress)
        try:
            host, port = check_push_url(address.endpoint, allow_internal=self._allow_internal)
        except UnusableUrl as error:
            return ProviderAnswer(PushOutcome.REJECTED, said=str(error))
        try:
            body = encrypt(payload(push), address)
        except ValueError:
            return ProviderAnswer(PushOutcome.GONE, said="The subscription's keys are none.")
        target = _find_target(address.endpoint, host, port)
        headers = self._headers(target, push, body)
        origin = f"{host}:{port}"
        try:
            async with self._shares.place(origin):
                answer = await self._ask_in_time(target, headers, body)
                self._shares.note(origin, answered=not _is_failure(answer))
                return answer
        except NoPlace:
            return ProviderAnswer(PushOutcome.RETRY, NO_PLACE_S, "too many at once", Blames.NOBODY)

    async def _ask_in_time(
        self, target: httpcore2.URL, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> ProviderAnswer:
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._ask_twice(target, headers, body)
        except UnusableUrl as error:
            return ProviderAnswer(PushOutcome.REJECTED, said=str(error))
        except TimeoutError:
            await self._drop(target)
            return ProviderAnswer(PushOutcome.RETRY, said="no answer in time")
        except (*_CUT_OFF, httpcore2.ConnectError, httpcore2.TimeoutException, OSError):
            return ProviderAnswer(PushOutcome.RETRY, said="not reached")

    async def close(self) -> None:
        await self._pool.aclose()

    def _headers(self, target: httpcore2.URL, push: Push, body: bytes) -> list[tuple[bytes, bytes]]:
        authority = _authority(target)
        origin = f"{target.scheme.decode()}://{authority.decode()}"
        return [
            (b"host", authority),
            (b"authorization", self._vapid.authorization(origin)),
            (b"content-encoding", b"aes128gcm"),
            (b"content-type", b"application/octet-stream"),
            (b"content-length", b"%d" % len(body)),
            (b"ttl", b"%d" % push.ttl_s),
            (b"urgency", b"normal" if push.silent else b"high"),
            (b"topic", topic(push.thread).encode()),
        ]

    async def _ask_twice(
        self, target: httpcore2.URL, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> ProviderAnswer:
        """Ask again where the connection had ended: a service ends it as it likes, and httpcore
        learns of it when it asks next; what was taken nevertheless is replaced by its like.
        """
        loop = asyncio.get_running_loop()
        latest = loop.time() + self._deadline_s / 2
        try:
            return await self._ask(target, headers, body)
        except _CUT_OFF:
            if loop.time() > latest:
                raise
        return await self._ask(target, headers, body)

    async def _ask(
        self, target: httpcore2.URL, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> ProviderAnswer:
        extensions = {"timeout": {"connect": CONNECT_S, "read": self._deadline_s}}
        async with self._pool.stream(
            "POST", target, headers=headers, content=body, extensions=extensions
        ) as response:
            answer = self._read(response)
            if await _is_short(response):
                return answer
        await self._drop(target)
        return answer

    def _read(self, response: httpcore2.Response) -> ProviderAnswer:
        status, said = response.status, str(response.status)
        if 200 <= status < 300:
            return DELIVERED
        if status in (404, 410):
            return ProviderAnswer(PushOutcome.GONE, said=said)
        if status == 429 or status >= 500:
            named = {name.lower(): value for name, value in response.headers}
            value = named.get(b"retry-after", b"").decode("latin-1")
            now = datetime.fromtimestamp(self._clock(), UTC)
            after_s = find_retry_after_s(value, now, most_s=MAX_STRANGERS_RETRY_AFTER_S)
            said_later = status in (429, 503) or after_s is not None
            blames = Blames.PROVIDER if said_later else Blames.UNSURE
            return ProviderAnswer(PushOutcome.RETRY, after_s, said, blames)
        return ProviderAnswer(PushOutcome.REJECTED, said=said)

    async def _drop(self, target: httpcore2.URL) -> None:
        """End the connections to a service that gave no answer: httpcore does not reset a stream
        that it gives up, and enough of them would use a connection up.
        """
        for connection in self._pool.connections:
            if connection.can_handle_request(target.origin):
                with suppress(Exception):
                    await connection.aclose()


def _is_failure(answer: ProviderAnswer) -> bool:
    return answer.outcome is PushOutcome.RETRY and answer.blames is Blames.UNSURE


async def _is_short(response: httpcore2.Response) -> bool:
    """Read the answer to its end, as far as that is near, so that its connection is free again."""
    read = 0
    async for part in response.aiter_stream():
        read += len(part)
        if read > MAX_ANSWER_BYTES:
            return False
    return True


def payload(push: Push) -> bytes:
    """Return what the service worker gets: JSON of at most 3,993 bytes, for which a long body is
    cut.
    """
    text = _encode(_fields(push))
    if len(text) > MAX_PLAINTEXT_BYTES:
        text = _encode(_fields(fit(push, len(text) - MAX_PLAINTEXT_BYTES)))
    return text


def _fields(push: Push) -> dict[str, Any]:
    fields: dict[str, Any] = {**find_fields(push), "badge": push.badge}
    if not push.silent:
        fields.update(title=push.title, body=push.body)
    return fields


def topic(thread: str) -> str:
    """Return a topic of 32 characters, the most that there may be; the service learns nothing from
    it.
    """
    return base64.urlsafe_b64encode(hashlib.sha256(thread.encode()).digest()[:24]).decode()


def encrypt(plaintext: bytes, subscription: WebPushAddress) -> bytes:
    """Encrypt for who has the subscription's private key and `auth` secret, with a key of this
    message's own (RFC 8291).

    Raises:
        ValueError: the subscription's keys are none.
    """
    auth = decode_base64url(subscription.auth)
    receiver = decode_base64url(subscription.p256dh)
    if len(auth) != 16 or len(receiver) != 65:
        raise ValueError("not a subscription's keys")
    body: bytes = http_ece.encrypt(
        plaintext,
        private_key=ec.generate_private_key(ec.SECP256R1()),
        dh=receiver,
        auth_secret=auth,
        version="aes128gcm",
    )
    return body


def _find_target(url: str, host: str, port: int) -> httpcore2.URL:
    """From what was checked, so that no second parser has an opinion about the host."""
    scheme, _, rest = url.partition("://")
    path = rest[rest.find("/") :] if "/" in rest else "/"
    return httpcore2.URL(scheme=scheme.lower(), host=host, port=port, target=path)


def _authority(target: httpcore2.URL) -> bytes:
    usual = {b"https": 443, b"http": 80}[target.scheme] == target.port
    host = b"[%b]" % target.host if b":" in target.host else target.host
    return host if usual else b"%b:%d" % (host, target.port or 0)
