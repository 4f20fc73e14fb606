"""Read the answers of FCM and of Google's token endpoint."""

import re
from datetime import UTC, datetime

import msgspec

from workers.push.http2.connection import Response
from workers.push.providers.pushes import (
    Blames,
    ProviderAnswer,
    PushOutcome,
    find_retry_after_s,
)

# What Google asks for where its 429 does not say.
RATE_LIMITED_S = 60.0
_CODE = re.compile(r"[A-Za-z_]{1,60}", re.ASCII)


def read_failure(response: Response, said: str, now: float) -> ProviderAnswer:
    """Return what a response other than 200 means; `now` is in seconds since 1970."""
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


def find_error(body: bytes) -> tuple[str, bool]:
    """Return FCM's own code (`UNREGISTERED`) or else Google's; True if it is about the token."""
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
