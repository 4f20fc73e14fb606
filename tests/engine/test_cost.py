"""The cost of an operation is the number of objects that its answer may hold."""

from typing import Any

import orjson
import pytest

from models.limits.limits import Limits
from tests.engine.toy import Context, make_engine


def cost(query: str, variables: dict[str, Any] | None = None) -> int:
    operation = make_engine().prepare(query, None)
    return operation.cost.total(operation.variables.coerce(variables).coerced)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ version }", 0),
        ("{ author { id name age } }", 1),
        ("{ author { friend { id } } }", 2),
        ("{ author { books { id } } }", 1 + 4),
        ("{ author { books { author { id } } } }", 1 + 4 * 2),
        ("{ things { __typename } }", 4),
        ("{ books { nodes { id } } }", 1 + 50),
        ("{ books(first: 3) { total nodes { author { id } } } }", 1 + 3 * 2),
        ("{ books(last: 100) { nodes { id } } }", 1 + 100),
        ("{ books(first: 2147483647) { nodes { id } } }", 1 + 100),
        ("{ books(first: -1) { nodes { id } } }", 1 + 1),
        ("{ books(first: 3, last: 7) { nodes { id } } }", 1 + 7),
        ("{ books(first: null) { nodes { id } } }", 1 + 50),
        ('{ nodes(ids: ["a", "b", "c"]) { id } }', 3),
        ("{ nodes(ids: []) { id } }", 1),
        ("{ a: books(first: 2) { nodes { id } } b: books(first: 3) { nodes { id } } }", 3 + 4),
        ("{ ...F } fragment F on Query { ... { books(first: 3) { nodes { id } } } }", 1 + 3),
        ("{ item { ... on Book { author { id } } ... on Film { author { id } } } }", 2),
        ("{ __schema { types { fields { type { name } } } } }", 0),
    ],
)
def test_of_a_query(query: str, expected: int) -> None:
    assert cost(query) == expected


PAGED = """query ($first: Int, $ids: [ID!]! = ["x"]) {
  books(first: $first) { nodes { id } } nodes(ids: $ids) { id }
}"""


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, 1 + 50 + 1),
        ({"first": None}, 1 + 50 + 1),
        ({"first": 0}, 1 + 1 + 1),
        ({"first": -1}, 1 + 1 + 1),
        ({"first": 7, "ids": ["a", "b"]}, 1 + 7 + 2),
        ({"first": 1_000_000}, 1 + 100 + 1),
    ],
)
def test_of_a_query_with_variables(variables: dict[str, Any], expected: int) -> None:
    assert cost(PAGED, variables) == expected


def test_is_kept_apart_by_what_it_depends_on() -> None:
    operation = make_engine().prepare("query ($n: Int) { books(first: $n) { nodes { id } } }", None)

    totals = [operation.cost.total({"n": n}) for n in [None, -1, 0, *range(1, 200), None, 5]]

    assert totals == [51, 2, 2, *[1 + min(n, 100) for n in range(1, 200)], 51, 6]


async def test_past_the_limit_nothing_is_resolved() -> None:
    engine = make_engine(Limits(query_cost=100))
    operation = engine.prepare("query ($n: Int) { books(first: $n) { nodes { id } } }", None)

    modest = await engine.execute(operation, {"n": 99}, Context([]))
    refused = await engine.execute(operation, {"n": 100}, Context([]))

    assert orjson.loads(modest.body) == {"data": {"books": {"nodes": []}}}
    told = orjson.loads(refused.body)
    assert "data" not in told
    assert told["errors"][0]["extensions"] == {"code": "LIMIT_EXCEEDED"}
