"""The log: one JSON object a line, and never the text of an exception."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest

from parley.logs import JsonLines, ShortLines, describe

SECRET = "whispered"


@pytest.fixture(params=[JsonLines, ShortLines])
def log(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What the root logger writes in either form."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(request.param())
    root = logging.getLogger()
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)


def fail() -> None:
    try:
        raise KeyError(SECRET)
    except KeyError as error:
        raise ExceptionGroup(SECRET, [ValueError(SECRET), OSError(2, SECRET)]) from error


def test_an_exception_is_its_classes_and_places(log: io.StringIO) -> None:
    try:
        fail()
    except ExceptionGroup:
        logging.getLogger("parley").exception("It failed")

    written = log.getvalue()
    assert SECRET not in written
    for expected in ("ExceptionGroup", "KeyError", "ValueError", "FileNotFoundError (ENOENT)"):
        assert expected in written
    assert "test_logs.py" in written


async def test_a_task_that_failed_unseen_is_logged_without_its_exceptions_text(
    log: io.StringIO,
) -> None:
    async def fail_unseen() -> None:
        raise ValueError(SECRET)

    task = asyncio.ensure_future(fail_unseen())
    await asyncio.wait([task])
    asyncio.get_running_loop().call_exception_handler(
        {"message": "Unseen", "exception": task.exception(), "task": task}
    )

    assert "Unseen" in log.getvalue()
    assert SECRET not in log.getvalue()


def test_extras_are_keys_of_the_line() -> None:
    record = logging.makeLogRecord({"name": "parley", "msg": "Sent %d", "args": (3,), "id": "a1"})

    line = json.loads(JsonLines().format(record))

    assert (line["message"], line["id"], line["logger"]) == ("Sent 3", "a1", "parley")
    assert line["at"].endswith("+00:00")


def test_sqlstate_is_told() -> None:
    class DatabaseError(Exception):
        sqlstate = "23505"

    assert describe(DatabaseError(SECRET)).endswith("DatabaseError (23505)")
