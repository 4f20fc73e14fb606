"""A fake of FCM's HTTP v1 API and of Google's token endpoint: checks what Google's documentation
says that Google checks.
"""

import json
import re
import secrets
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.push.fakes.http2 import Http2Server, Reply, Request

PROJECT, CLIENT_EMAIL, KEY_ID = "parley-tests", "push@parley-tests.example", "key-1"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
TOKEN_LIVES_S = 3599
MAX_PAYLOAD_BYTES = 4096
FIELDS = {"token", "data", "notification", "android", "apns", "webpush", "fcm_options"}
ANDROID_FIELDS = {"collapse_key", "priority", "ttl", "notification", "data"}
RESERVED = re.compile(r"from|message_type|collapse_key|gcm.*|google.*")


@dataclass(frozen=True)
class Accepted:
    token: str
    message: dict[str, Any]


class FakeFcm(Http2Server):
    _key = rsa.generate_private_key(65537, 2048)

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(tls=tls, streams=100)
        self._clock = clock
        self.accepted: list[Accepted] = []
        self.unregistered: set[str] = set()
        self.of_another_sender: set[str] = set()
        # When each access token ends.
        self._granted: dict[str, float] = {}
        self.grants = 0
        self.token_reply: Reply | None = None

    @property
    def service_account(self) -> str:
        """Return the JSON file's text."""
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return json.dumps(
            {
                "type": "service_account",
                "project_id": PROJECT,
                "private_key_id": KEY_ID,
                "private_key": pem.decode(),
                "client_email": CLIENT_EMAIL,
                "token_uri": self.url + "/token",
            }
        )

    def revoke(self) -> None:
        """Takes back every access token."""
        self._granted.clear()

    def reply(self, request: Request) -> Reply | None:
        # What is told to the test's server is about pushes.
        return self._grant(request) if request.path == "/token" else super().reply(request)

    def answer(self, request: Request) -> Reply:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or self._granted.get(token, 0) < self._clock():
            return _error(401, "UNAUTHENTICATED")
        if request.method != "POST" or request.path != f"/v1/projects/{PROJECT}/messages:send":
            return _error(404, "NOT_FOUND")
        try:
            message = json.loads(request.body)["message"]
        except (ValueError, KeyError):
            return _error(400, "INVALID_ARGUMENT", field="message")
        return self._take(message)

    def _take(self, message: dict[str, Any]) -> Reply:
        if field := _find_fault(message):
            return _error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", field=field)
        token = message["token"]
        if not re.fullmatch(r"[\w:-]{20,}", token):
            return _error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", field="message.token")
        if token in self.unregistered:
            return _error(404, "NOT_FOUND", "UNREGISTERED")
        if token in self.of_another_sender:
            return _error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH")
        self.accepted.append(Accepted(token, message))
        name = f"projects/{PROJECT}/messages/{len(self.accepted)}"
        return Reply(200, {}, json.dumps({"name": name}).encode())

    def _grant(self, request: Request) -> Reply:
        self.grants += 1
        if self.token_reply is not None:
            return self.token_reply
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if form.get("grant_type") != GRANT or not self._is_ours(form.get("assertion", "")):
            return Reply(400, {}, b'{"error": "invalid_grant"}')
        token = secrets.token_urlsafe(24)
        self._granted[token] = self._clock() + TOKEN_LIVES_S
        granted = {"access_token": token, "expires_in": TOKEN_LIVES_S, "token_type": "Bearer"}
        return Reply(200, {}, json.dumps(granted).encode())

    def _is_ours(self, assertion: str) -> bool:
        try:
            claims = jwt.decode(
                assertion,
                self._key.public_key(),
                algorithms=["RS256"],
                audience=self.url + "/token",
                issuer=CLIENT_EMAIL,
                options={"require": ["exp", "iat"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            return False
        fresh = claims["iat"] - 60 <= self._clock() < claims["exp"] <= claims["iat"] + 3600
        return fresh and claims.get("scope") == SCOPE


def _find_fault(message: dict[str, Any]) -> str | None:
    """Return the field that Google would complain of."""
    android, data = message.get("android", {}), message.get("data", {})
    shown = message.get("notification", {})
    sizes = [len(f"{name}{value}".encode()) for name, value in {**data, **shown}.items()]
    checks = {
        "message": message.keys() <= FIELDS and bool(message.get("token")),
        "message.android": android.keys() <= ANDROID_FIELDS,
        "message.android.ttl": bool(re.fullmatch(r"\d{1,7}s", android.get("ttl", "0s")))
        and int(android.get("ttl", "0s")[:-1]) <= 2_419_200,
        "message.android.priority": android.get("priority", "HIGH") in ("NORMAL", "HIGH"),
        "message.android.notification": isinstance(
            android.get("notification", {}).get("tag", ""), str
        ),
        "message.data": all(isinstance(value, str) for value in data.values()),
        "message.data.key": not any(RESERVED.fullmatch(name) for name in data),
        "message.size": sum(sizes) <= MAX_PAYLOAD_BYTES,
    }
    return next((field for field, good in checks.items() if not good), None)


def _error(status: int, google: str, fcm: str | None = None, field: str | None = None) -> Reply:
    details: list[dict[str, Any]] = []
    if fcm:
        kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
        details.append({"@type": kind, "errorCode": fcm})
    if field:
        kind = "type.googleapis.com/google.rpc.BadRequest"
        details.append({"@type": kind, "fieldViolations": [{"field": field, "description": "no"}]})
    error = {"code": status, "status": google, "message": "no", "details": details}
    return Reply(status, {}, json.dumps({"error": error}).encode())


def failure(status: int, google: str, fcm: str | None = None, **headers: str) -> Reply:
    """Return an answer of Google's for `answer_instead`."""
    return Reply(status, headers, _error(status, google, fcm).body)
