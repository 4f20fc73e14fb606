"""The access token of a Google service account: asked for at Google's token endpoint, and kept."""

import asyncio
import re
import ssl
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from workers.push.http2.client import Http2Client
from workers.push.http2.connection import NoAnswer
from workers.push.providers.fcm_answers import read_failure
from workers.push.providers.pushes import ProviderAnswer, PushOutcome

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_LIVES_S = 3600
# An access token is renewed so long before its end.
TOKEN_LEFT_S = 300


class ServiceAccount(msgspec.Struct, frozen=True):
    """The fields that are used of the JSON file that Google gives out."""

    project_id: str
    client_email: str
    private_key: str
    token_uri: str
    private_key_id: str = ""

    def __repr__(self) -> str:
        return f"ServiceAccount(project_id={self.project_id!r})"


def load_account(text: str) -> ServiceAccount:
    """Read the JSON file's text.

    Raises:
        ValueError: it is no service account.
    """
    try:
        account = msgspec.json.decode(text, type=ServiceAccount)
    except msgspec.DecodeError:
        raise ValueError("the FCM service account is not the JSON that Google gives out") from None
    if not re.fullmatch(r"[a-z0-9:.-]+", account.project_id):
        raise ValueError("the FCM service account names no project")
    return account


class NoToken(Exception):
    """Raised where Google gives no access token; `answer` is what that means for a push."""

    def __init__(self, answer: ProviderAnswer) -> None:
        self.answer = answer


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: float


class AccessToken:
    """The authorization header. It is asked for once for all who need it, and kept until shortly
    before its end.
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
        """Return the value of the authorization header; it is asked for if it is about to end.

        Raises:
            NoToken: Google gives none.
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
        """Ask for another next time, unless that was done since `refused` was given out."""
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
            raise NoToken(ProviderAnswer(PushOutcome.RETRY, said=f"token: {error}")) from None
        if response.status != 200:
            raise NoToken(read_failure(response, f"token: {response.status}", self._clock()))
        try:
            granted = msgspec.json.decode(response.body, type=_Granted)
        except msgspec.DecodeError:
            raise NoToken(ProviderAnswer(PushOutcome.RETRY, said="token: not understood")) from None
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
