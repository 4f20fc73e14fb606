"""graphql-core alone over the toy schema, and what of an answer can be compared with it."""

from collections.abc import Awaitable
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLResolveInfo, execute, parse
from graphql.execution import execute_subscription_event
from graphql.execution.executor import Executor

from parley.engine.errors import format_errors
from tests.engine.toy import Context, make_schema

SCHEMA = make_schema()._schema
# For the documents of `generate`.
VARIABLES = {"word": "Hey", "times": 2, "yes": True}


class Reference(Executor[None]):
    """graphql-core, with what strawberry's resolvers need."""

    def build_resolve_info(self, *args: Any) -> GraphQLResolveInfo[Any]:
        info = super().build_resolve_info(*args)
        return info._replace(variable_values=self.variable_values.coerced)  # type: ignore[arg-type]


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer without ids and without the order in which concurrent fields failed."""
    for error in answer.get("errors", ()):
        error["extensions"].pop("errorId", None)
    if "errors" in answer:
        answer["errors"].sort(key=lambda error: str(error["path"]))
    return answer


def is_same(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    """To the letter: in Python 1, 1.0 and True are equal."""
    return orjson.dumps(found) == orjson.dumps(expected)


def without_races(answer: dict[str, Any]) -> dict[str, Any]:
    """Of several fields that failed below one null, some are told: those that were first."""
    errors = answer.get("errors", ())
    nulls = {tuple(null_place(answer["data"], error["path"])) for error in errors}
    told = [error for error in errors if tuple(error["path"]) in nulls]
    return {"data": answer["data"], "told": told, "nulls": sorted(map(str, nulls))}


def null_place(data: Any, path: list[str | int]) -> list[str | int]:
    """Return the part of an error's path that leads to the null that the error made."""
    for depth, key in enumerate(path):
        if data is None:
            return path[:depth]
        data = data[key]
    return path


def formatted(result: ExecutionResult) -> dict[str, Any]:
    answer: dict[str, Any] = {"data": result.data}
    if result.errors:
        answer["errors"] = format_errors(result.errors)
    parsed: dict[str, Any] = orjson.loads(orjson.dumps(answer))
    return comparable(parsed)


async def expect_query(text: str, context: Context) -> dict[str, Any]:
    result = execute(SCHEMA, parse(text), None, context, VARIABLES, executor_class=Reference)
    return formatted(await result if isinstance(result, Awaitable) else result)


async def expect_event(text: str, event: Any, context: Context) -> dict[str, Any]:
    executor = Reference.build(SCHEMA, parse(text), None, context, VARIABLES)
    assert isinstance(executor, Executor)
    result = execute_subscription_event(executor.build_per_event_executor(event))
    return formatted(await result if isinstance(result, Awaitable) else result)
