"""Errors: how they look to clients, and what of them is logged.

Every error has `extensions.code`. What nobody expected is masked: the client gets an id, the log
gets the id, the exception's class and where it was raised, and neither gets its text, the document
or the variables.
"""

import logging
import secrets
import traceback
from collections.abc import Iterable
from typing import Any

from graphql import GraphQLError
from strawberry.exceptions import StrawberryInputCoercionError

from models.devices.sessions import Unauthenticated
from models.log.events import TooFarBehind
from models.refusals import Refused

PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
INVALID_INPUT = "INVALID_INPUT"
LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
UNAUTHENTICATED = "UNAUTHENTICATED"
INTERNAL = "INTERNAL"

MASKED = "Something went wrong on our side."

_MAX_FRAMES = 12
_MAX_CAUSES = 3

logger = logging.getLogger("parley.engine")


class OperationRefused(Exception):
    """The operation cannot be executed; each error has its code."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = errors


def with_code(error: GraphQLError, code: str) -> GraphQLError:
    """Give the error this code unless it has one; return it."""
    error.extensions = {"code": code, **(error.extensions or {})}
    return error


def exceeded(message: str, node: Any = None) -> OperationRefused:
    return OperationRefused([GraphQLError(message, node, extensions={"code": LIMIT_EXCEEDED})])


def format_errors(errors: Iterable[GraphQLError]) -> list[dict[str, Any]]:
    """Format the errors of one answer. Those of one class from one place share an id and a log
    entry.
    """
    ids: dict[tuple[str, ...], str] = {}
    return [_format(error, ids) for error in errors]


def wrap_error(error: Exception) -> GraphQLError:
    return GraphQLError("", original_error=error)


def _format(error: GraphQLError, ids: dict[tuple[str, ...], str]) -> dict[str, Any]:
    message, extensions = _tell(error, ids)
    formatted: dict[str, Any] = {"message": message}
    if error.locations:
        formatted["locations"] = [location.formatted for location in error.locations]
    if error.path:
        formatted["path"] = error.path
    formatted["extensions"] = extensions
    return formatted


def _tell(error: GraphQLError, ids: dict[tuple[str, ...], str]) -> tuple[str, dict[str, Any]]:
    """Return what the client is told: the message and the extensions."""
    cause = _root_cause(error)
    if isinstance(cause, Refused):
        extensions: dict[str, Any] = {"code": cause.code.value}
        if cause.field is not None:
            extensions["field"] = cause.field
        if cause.retry_after_ms is not None:
            extensions["retryAfterMs"] = cause.retry_after_ms
        return cause.reason, extensions
    if isinstance(cause, Unauthenticated):
        return cause.reason, {"code": UNAUTHENTICATED}
    if isinstance(cause, TooFarBehind):
        return "Fetch the channel, and follow it from its lastSeq.", {"code": cause.code}
    if isinstance(cause, GraphQLError) and error.extensions and "code" in error.extensions:
        return error.message, error.extensions
    if isinstance(cause, StrawberryInputCoercionError):
        return error.message, {"code": INVALID_INPUT}
    return MASKED, {"code": INTERNAL, "errorId": _log_once(cause, ids)}


def _root_cause(error: GraphQLError) -> Exception:
    cause: Exception = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause


def _log_once(error: Exception, ids: dict[tuple[str, ...], str]) -> str:
    place = tuple(describe_exception(error))
    if place not in ids:
        ids[place] = secrets.token_hex(8)
        logger.error("Unexpected failure %s: %s", ids[place], " <- ".join(place))
    return ids[place]


def describe_exception(error: BaseException) -> list[str]:
    """Return the exception's class and frames, then those of its causes.

    Never its text: that may quote what people wrote.
    """
    described: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(described) < _MAX_CAUSES:
        described.append(f"{_class_name(cause)} at {_frames(cause)}")
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return described


def _class_name(error: BaseException) -> str:
    cls = type(error)
    return (
        cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    )


def _frames(error: BaseException) -> str:
    frames = [
        f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_name}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    return " > ".join(frames[-_MAX_FRAMES:]) or "nowhere"
