"""Refusals: expected failures of what a client asks for, as one exception type with a code.

`schema/refusals.py` turns the exception into the answer.
"""

from enum import Enum


class RefusalCode(Enum):
    """Why an operation was refused, by the codes that clients see."""

    INVALID_INPUT = "INVALID_INPUT"
    NOT_FOUND = "NOT_FOUND"
    FORBIDDEN = "FORBIDDEN"
    CONFLICT = "CONFLICT"
    GROUP_FULL = "GROUP_FULL"
    LAST_OWNER = "LAST_OWNER"
    BLOCKED = "BLOCKED"
    CODE_WRONG = "CODE_WRONG"
    CODE_EXPIRED = "CODE_EXPIRED"
    SESSION_REVOKED = "SESSION_REVOKED"
    INVITE_EXPIRED = "INVITE_EXPIRED"
    MEDIA_NOT_READY = "MEDIA_NOT_READY"
    MEDIA_REJECTED = "MEDIA_REJECTED"
    TOO_LARGE = "TOO_LARGE"
    EDIT_WINDOW_CLOSED = "EDIT_WINDOW_CLOSED"
    RATE_LIMITED = "RATE_LIMITED"
    UNAVAILABLE = "UNAVAILABLE"


class Refused(Exception):
    """Raised when an operation is refused. `reason` is a full sentence for the client's developer,
    without ids or names of users; `field` is the path of the input field at fault.
    """

    def __init__(
        self,
        code: RefusalCode,
        reason: str,
        *,
        field: str | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.field = field
        self.retry_after_ms = retry_after_ms


def invalid(reason: str, field: str | None = None) -> Refused:
    """Return an INVALID_INPUT to raise."""
    return Refused(RefusalCode.INVALID_INPUT, reason, field=field)


def not_found(reason: str, field: str | None = None) -> Refused:
    """Return a NOT_FOUND to raise: also for what exists and the viewer may not know of."""
    return Refused(RefusalCode.NOT_FOUND, reason, field=field)


def unavailable(reason: str = "The server cannot do this right now; try again.") -> Refused:
    """Return an UNAVAILABLE to raise, to be repeated after a second."""
    return Refused(RefusalCode.UNAVAILABLE, reason, retry_after_ms=1000)
