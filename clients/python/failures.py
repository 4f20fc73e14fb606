"""What may go wrong, sorted by what a client does about it."""

from typing import Any

from clients.python.values import RefusalCode


class NoAnswer(Exception):
    """It is not known whether it was done, or the server was busy. Ask the same again, later.

    `retry_after_s` is what the server said; 0: it said nothing.
    """

    def __init__(self, why: str, retry_after_s: float = 0) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s


class ServerFault(NoAnswer):
    """The server failed in a way that it did not expect (INTERNAL). Ask once more, not for ever."""


class Refused(Exception):
    """The server said no, and would say so again. `code` is what it said."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code


class Unauthenticated(Exception):
    """The access token is not good any more. Refresh the session, then ask again."""


class SignedOut(Exception):
    """The session is over: it was revoked, or signed out. Show the sign-in."""


class Incompatible(Exception):
    """The server closed the connection for a fault of this client. Connecting again is no use."""


def failure(error: dict[str, Any]) -> Exception:
    """Return what a Refusal, or an entry of `errors`, means to a client."""
    extensions = error.get("extensions") or error
    code = str(extensions.get("code"))
    reason = error.get("reason") or error.get("message") or "no reason was given"
    wait_s = (extensions.get("retryAfterMs") or 0) / 1000
    match RefusalCode(code):
        case RefusalCode.RATE_LIMITED | RefusalCode.UNAVAILABLE:
            return NoAnswer(f"{code}: {reason}", wait_s)
        case RefusalCode.UNKNOWN if code == "INTERNAL":
            return ServerFault(f"{code}: {reason}")
        case RefusalCode.UNKNOWN if code == "UNAUTHENTICATED":
            return Unauthenticated(reason)
        case _:
            # Also what a later server says in a code that this client does not know.
            return Refused(code, reason)
