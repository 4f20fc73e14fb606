"""The answer to one operation: its JSON, and how the operation went.

The transports and the metrics decide by `executed` and `failed`, and never look into the JSON.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson
from graphql import ExecutionResult, GraphQLError

from parley.engine.errors import format_errors, wrap_error


class Answer(NamedTuple):
    """What one operation, or one event of a subscription, is answered with."""

    # JSON, in UTF-8: an object with `data`, `errors` or both.
    body: bytes
    # The operation was executed, so that the body has `data` (which may be null).
    executed: bool
    # The body has `errors`. An operation that was executed may have some, too.
    failed: bool


def result_answer(result: ExecutionResult) -> Answer:
    """Return the answer for what an execution came to.

    When JSON cannot hold the data (a lone surrogate, say), the answer is an error without data.
    """
    answer: dict[str, Any] = {"data": result.data}
    if result.errors:
        answer["errors"] = format_errors(result.errors)
    try:
        return Answer(orjson.dumps(answer), executed=True, failed=bool(result.errors))
    except TypeError as error:
        return exception_answer(error)


def plain_answer(data: dict[str, Any]) -> Answer:
    """Return the answer to an operation in which nothing failed."""
    try:
        return Answer(orjson.dumps({"data": data}), executed=True, failed=False)
    except TypeError as error:
        return exception_answer(error)


def error_answer(errors: Iterable[GraphQLError]) -> Answer:
    """Return the answer, without data, to an operation that was not executed."""
    formatted = format_errors(errors)
    try:
        return Answer(orjson.dumps({"errors": formatted}), executed=False, failed=True)
    except TypeError as error:
        return exception_answer(error)


def exception_answer(error: Exception) -> Answer:
    """Return the answer, without data, for what a source stream or a collaborator raised."""
    return error_answer([error if isinstance(error, GraphQLError) else wrap_error(error)])
