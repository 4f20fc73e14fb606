"""Logging set-up: JSON lines in production, short lines in development, both on standard error.

Message text, codes, tokens and phone numbers never reach a log. An exception's own text may quote
any of them (asyncpg names the value that it refuses), so an exception is written as its class, its
SQLSTATE and where it was raised.
"""

import errno
import json
import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType

LOGGER = logging.getLogger("parley")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Causes and members of groups that are followed.
_DEPTH = 5


def configure_logging(*, development: bool, level: int = logging.INFO) -> None:
    """Set the root logger up, once for the process; what ends the process or a thread is logged
    too.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(ShortLines() if development else JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # It tells of each socket with its query string, and warns of each request that is not HTTP:
    # anybody could fill the log.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    # Alembic tells of each step of a start, hpack and httpcore2 of each header that is sent.
    for chatty in (
        "alembic",
        "botocore",
        "boto3",
        "urllib3",
        "hpack",
        "httpcore2",
        "aiosmtplib",
    ):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").disabled = True
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


class JsonLines(logging.Formatter):
    """One JSON object a line; what was passed as `extra` becomes keys of it."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            **_extra(record),
        }
        if (error := _error(record)) is not None:
            line["error"] = describe(error)
        return json.dumps(line, default=str)


class ShortLines(logging.Formatter):
    """Time, level unless it is the usual one, logger, message, extras."""

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname} "
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        extra = "".join(f" {name}={value}" for name, value in _extra(record).items())
        line = f"{at} {level}{record.name}: {_message(record)}{extra}"
        error = _error(record)
        return line if error is None else f"{line}\n{describe(error)}"


def describe(error: BaseException) -> str:
    """Classes and places of an exception and its causes, without a word of their text."""
    return "\n".join(_lines(error, _DEPTH))


def _lines(error: BaseException, depth: int) -> Iterator[str]:
    kind = type(error)
    detail = getattr(error, "sqlstate", None)
    if isinstance(error, OSError) and error.errno is not None:
        detail = errno.errorcode.get(error.errno)
    yield f"{kind.__module__}.{kind.__qualname__}{f' ({detail})' if detail else ''}"
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"  {frame.filename}:{frame.lineno} {frame.name}"
    if depth == 0:
        return
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _lines(member, depth - 1)
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield "after"
        yield from _lines(before, depth - 1)


def _message(record: logging.LogRecord) -> str:
    message = record.getMessage()
    # asyncio adds the representation of the task that failed, with its exception's text.
    return message.partition("\n")[0] if record.name == "asyncio" else message


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _error(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    LOGGER.critical("The process ends by an unexpected error", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(event: threading.ExceptHookArgs) -> None:
    if event.exc_value is not None:
        LOGGER.critical("A thread ended by an unexpected error", exc_info=event.exc_value)
