"""Enums of the API, each with a value for what this client does not know.

A server that is newer than its client sends values that the client has never heard of. They must
not break it: each becomes UNKNOWN here, and every `match` has a branch for it. The copy keeps what
the server sent, so that a later version of the client can show it.
"""

from enum import StrEnum
from typing import Any, Self


class Known(StrEnum):
    """An enum whose member UNKNOWN stands for every value that is not listed."""

    @classmethod
    def _missing_(cls, value: object) -> Self:
        return cls["UNKNOWN"]


class MessageKind(Known):
    TEXT = "TEXT"
    IMAGE = "IMAGE"
    VIDEO = "VIDEO"
    AUDIO = "AUDIO"
    FILE = "FILE"
    LOCATION = "LOCATION"
    SYSTEM = "SYSTEM"
    UNKNOWN = "UNKNOWN"


class RefusalCode(Known):
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
    UNKNOWN = "UNKNOWN"


def line(message: dict[str, Any]) -> str:
    """Return a message as one line of text."""
    if message["deletedAt"] is not None:
        return "(deleted)"
    text: str = message["text"] or ""
    match MessageKind(message["kind"]):
        case MessageKind.TEXT:
            return text
        case MessageKind.SYSTEM:
            return "(something changed here)"
        case MessageKind.UNKNOWN:
            return text or "(this app is too old to show this message)"
        case kind:
            return f"({kind.lower()}) {text}".rstrip()
