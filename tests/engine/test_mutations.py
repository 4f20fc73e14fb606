"""Mutations are answered as graphql-core would, whatever is worked out beforehand."""

from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.limits.limits import Limits
from tests.engine.generate import MUTATION_FIELDS, DocumentWriter, ValueMaker
from tests.engine.reference import (
    SCHEMA,
    VARIABLES,
    comparable,
    expect_query,
    is_same,
    without_races,
)
from tests.engine.toy import Author, Book, Context, make_engine

LIMITS = Limits(query_aliases=1000, query_directives=100, query_tokens=10_000, query_cost=10**9)

PUT_BOOK = "mutation ($times: Int) { putBook(times: $times) { id } }"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(
    st.integers(0, 2**32),
    st.lists(st.sampled_from(MUTATION_FIELDS), min_size=1, max_size=3),
    st.sampled_from((1.0, 0.97, 0.9)),
)
async def test_mutations_are_answered_as_by_graphql_core(
    seed: int, fields: list[str], right: float
) -> None:
    engine = make_engine(LIMITS)
    random = Random(seed)
    text = DocumentWriter(random, SCHEMA).write_mutation(fields)
    values = ValueMaker(random, right=right)
    operation = engine.prepare(text, None)

    for name in (fields[0], fields[0], fields[-1]):
        value, sequel = values.root(name), values.book(1)
        there, here = Context(value, sequel), Context(value, sequel)
        expected = await expect_query(text, there)
        answer = await engine.execute(operation, VARIABLES, here)

        found = comparable(orjson.loads(answer.body))
        same = is_same(found, expected)
        assert same or is_same(without_races(found), without_races(expected)), text
        assert _of_roots(here) == _of_roots(there), text
        assert answer.failed == ("errors" in expected)


def _of_roots(context: Context) -> list[str]:
    """Return the calls of root fields: a plan may read a sequel that graphql-core asks for."""
    return [call for call in context.calls if call != "sequel"]


async def test_root_fields_run_one_after_the_other_and_stop_at_a_null_that_may_not_be() -> None:
    engine = make_engine()
    text = "mutation { a: putAuthor { id } b: putBook { id } c: putAuthor { id } }"
    operation = engine.prepare(text, None)

    for _ in range(3):
        context = Context(ValueError("a secret"))
        answer = await engine.execute(operation, None, context)

        assert context.calls == ["author", "1"]
        told = orjson.loads(answer.body)
        assert told["data"] is None
        assert [error["path"] for error in told["errors"]] == [["a"], ["b"]]


@pytest.mark.parametrize(
    ("variables", "calls"),
    [({}, ["1"]), ({"times": 4}, ["4"]), ({"times": None}, []), (None, ["1"])],
)
async def test_an_argument_may_be_left_out_and_may_not_be_null(
    variables: dict[str, Any] | None, calls: list[str]
) -> None:
    engine = make_engine()
    operation = engine.prepare(PUT_BOOK, None)

    for _ in range(3):
        context = Context(Book())
        answer = orjson.loads((await engine.execute(operation, variables, context)).body)

        assert context.calls == calls
        if not calls:
            assert [error["extensions"]["code"] for error in answer["errors"]] == ["INVALID_INPUT"]


async def test_without_plans_the_answer_is_the_same() -> None:
    text = (
        "mutation ($input: SaveInput!) { __typename save(input: $input) "
        "{ ... on Saved { again book { id title tags author { name } } } "
        "... on Refusal { code } } putThing { ... on Author { id greeting } } }"
    )
    bodies = set()
    for plans in (True, False):
        engine = make_engine(plans=plans)
        operation = engine.prepare(text, None)
        for title in ("", "Notes", "", "Notes"):
            variables = {"input": {"title": title, "tags": ["x"]}}
            answer = await engine.execute(operation, variables, Context(Author()))
            bodies.add((title, answer))

    assert len(bodies) == 2
