"""FCM: the HTTP v1 API, as a service account.

Collapsing is left to FCM: it keeps one notification a device that is off, whatever we say, and at
most four collapse keys; the `tag` replaces what is shown, per channel. Removals are data without a
key, so that one channel's does not displace another's. iOS apps behind FCM get APNs' own fields.
"""

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Any

import msgspec

from models.push.addresses import FcmAddress, PushAddress, PushEndpointKind
from workers.push.http2.client import Http2Client
from workers.push.http2.connection import NoAnswer, Response
from workers.push.providers.fcm_answers import find_error, read_failure
from workers.push.providers.google_tokens import AccessToken, NoToken, load_account
from workers.push.providers.pushes import (
    DELIVERED,
    ProviderAnswer,
    Push,
    PushOutcome,
    find_fields,
    fit,
)
from workers.push.providers.settings import FCM_URL

# Of title, text and data together.
MAX_PAYLOAD_BYTES = 4096
MAX_TTL_S = 28 * 86_400
MAX_COLLAPSE_ID_BYTES = 64

_encode = msgspec.json.Encoder().encode


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
        account = load_account(service_account)
        self.concurrency = concurrency
        self._clock = clock
        self._gate = f"FCM {account.project_id}"
        self._path = f"/v1/projects/{account.project_id}/messages:send".encode()
        self._client = Http2Client(url, concurrency=concurrency, deadline_s=deadline_s, tls=tls)
        self._token = AccessToken(account, clock, deadline_s=deadline_s, tls=tls)

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
        except NoToken as error:
            return error.answer
        return answer

    async def close(self) -> None:
        await asyncio.gather(self._client.close(), self._token.close())

    def _read(self, response: Response) -> ProviderAnswer:
        if response.status == 200:
            return DELIVERED
        code, about_token = find_error(response.body)
        said = f"{response.status} {code}".rstrip()
        if code == "UNREGISTERED" or (code == "INVALID_ARGUMENT" and about_token):
            return ProviderAnswer(PushOutcome.GONE, said=said)
        # The access token; not what Google says when its own way to Apple is wrongly set up.
        if response.status == 401 and code != "THIRD_PARTY_AUTH_ERROR":
            return ProviderAnswer(PushOutcome.RETRY, said=said)
        return read_failure(response, said, self._clock())


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
