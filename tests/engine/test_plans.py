"""Whatever the engine's plans do, graphql-core would have done the same: on documents and values at random."""

from collections.abc import Awaitable
from random import Random
from typing import Any

import orjson
import pytest
from graphql import ExecutionResult, GraphQLResolveInfo, execute, parse
from graphql.execution import execute_subscription_event
from graphql.execution.executor import Executor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.limits import Limits
from parley.engine.errors import format_errors
from tests.engine.generate import ROOT_FIELDS, DocumentWriter, ValueMaker
from tests.engine.toy import Author, Book, Context, make_engine, make_schema

SCHEMA = make_schema()._schema
# The documents are to be long, not modest.
LIMITS = Limits(query_aliases=1000, query_directives=100, query_tokens=10_000, query_cost=10**9)
VARIABLES = {"word": "Hey", "times": 2, "yes": True}


class Reference(Executor[None]):
    """graphql-core, with what strawberry's resolvers need."""

    def build_resolve_info(self, *args: Any) -> GraphQLResolveInfo[Any]:
        info = super().build_resolve_info(*args)
        return info._replace(variable_values=self.variable_values.coerced)  # type: ignore[arg-type]


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer without ids and without the order in which concurrent fields failed."""
    for error in answer.get("errors", ()):
        error["extensions"].pop("errorId", None)
    if "errors" in answer:
        answer["errors"].sort(key=lambda error: str(error["path"]))
    return answer


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


EXAMPLES = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@EXAMPLES
@given(st.integers(0, 2**32), st.sampled_from(ROOT_FIELDS), st.sampled_from((1.0, 0.97, 0.9)))
async def test_queries_are_answered_as_by_graphql_core(seed: int, root: str, right: float) -> None:
    engine = make_engine(LIMITS)
    random = Random(seed)
    text = DocumentWriter(random, SCHEMA).write_query(root)
    values = ValueMaker(random, right=right)
    operation = engine.prepare(text, None)

    # The first use is before plans are made, the second makes them, the third finds other values.
    for value in (values.root(root), values.root(root), values.root(root)):
        sequel = values.book(1)
        expected = await expect_query(text, Context(value, sequel))
        answer = await engine.execute(operation, VARIABLES, Context(value, sequel))

        assert comparable(orjson.loads(answer)) == expected, text


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@EXAMPLES
@given(
    st.integers(0, 2**32),
    st.sampled_from(("thingAdded", "bookAdded")),
    st.sampled_from((1.0, 0.97, 0.9)),
)
async def test_events_are_rendered_as_by_graphql_core(seed: int, root: str, right: float) -> None:
    engine = make_engine(LIMITS)
    random = Random(seed)
    text = DocumentWriter(random, SCHEMA).write_subscription(root)
    values = ValueMaker(random, right=right)
    operation = engine.prepare(text, None)

    for event in (values.root(root), values.root(root), values.root(root)):
        sequel = values.book(1)
        expected = await expect_event(text, event, Context(None, sequel))
        rendered = engine.render(operation, VARIABLES, event, Context(None, sequel))
        text_ = rendered if isinstance(rendered, str) else await rendered

        assert comparable(orjson.loads(text_)) == expected, text


def test_an_event_that_the_plan_covers_is_rendered_at_once() -> None:
    engine = make_engine()
    operation = engine.prepare(
        "subscription { bookAdded { id title pages author { name mood } sequel { id } } }", None
    )
    event = Book(author=Author(), sequel=None)

    texts = {engine.render(operation, None, event, Context()) for _ in range(4)}

    assert texts == {
        '{"data":{"bookAdded":{"id":"x_b1","title":"Notes","pages":100,'
        '"author":{"name":"Ada","mood":"GLAD"},"sequel":null}}}'
    }


async def test_what_is_not_loaded_is_asked_of_the_resolver() -> None:
    engine = make_engine()
    operation = engine.prepare("{ book { id sequel { id title } } }", None)
    context = Context(Book(key="one"), Book(key="two", title="More"))

    answers = [await engine.execute(operation, None, context) for _ in range(3)]

    assert set(answers) == {
        b'{"data":{"book":{"id":"x_one","sequel":{"id":"x_two","title":"More"}}}}'
    }
    assert context.calls == ["sequel"] * 3
