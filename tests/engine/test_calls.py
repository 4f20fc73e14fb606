"""Resolvers get the same arguments as from strawberry's own calls."""

from typing import Any

import orjson
import pytest
from graphql import execute, parse

from tests.engine.reference import SCHEMA, Reference
from tests.engine.toy import Context, make_engine

QUERY = """query ($everything: Everything, $word: String = "said", $choice: Choice, $count: Int) {
  describe(everything: $everything, word: $word, choice: $choice, count: $count)
}"""

PART = {"name": "p"}
LITERALS = [
    "describe",
    "describe(everything: null, count: null)",
    'describe(everything: {part: {name: "p"}, note: "n", cleared: null}, grid: [[1, null], 2])',
    'describe(everything: {part: {name: "p", part: {name: "q", size: 2, mood: SAD}}})',
    'describe(choice: {pages: 3}, word: "w")',
]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"everything": None, "word": "w", "count": 3, "choice": {"title": "t"}},
        {"everything": {"part": PART}, "count": None},
        {"everything": {"part": {**PART, "size": 2, "mood": "SAD", "part": {"name": "q"}}}},
        {"everything": {"part": PART, "parts": None, "moods": ["SAD", "GLAD"], "names": []}},
        {"everything": {"part": PART, "parts": [PART, {"name": "q"}], "names": ["b"]}},
        {"everything": {"part": PART, "parts": PART, "note": "n", "cleared": None}},
        {"everything": {"part": PART, "cleared": "c", "at": "2026-01-31T12:00:00+02:00"}},
    ],
)
async def test_variables_arrive_as_strawberry_passes_them(variables: dict[str, Any]) -> None:
    await expect_same(QUERY, variables)


@pytest.mark.parametrize("selection", LITERALS)
async def test_literals_arrive_as_strawberry_passes_them(selection: str) -> None:
    await expect_same(f"{{ {selection} }}", {})


async def expect_same(query: str, variables: dict[str, Any]) -> None:
    expected = execute(SCHEMA, parse(query), None, Context(), variables, executor_class=Reference)
    engine = make_engine()

    answer = await engine.execute(engine.prepare(query, None), variables, Context())

    assert orjson.loads(answer.body) == {"data": expected.data}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"everything": {"part": PART, "note": None}}, "INVALID_INPUT"),
        ({"choice": {"title": "t", "pages": 1}}, "INVALID_INPUT"),
        ({"choice": {}}, "INVALID_INPUT"),
        ({"choice": {"title": None}}, "INVALID_INPUT"),
        ({"everything": {}}, "INVALID_INPUT"),
        ({"count": 2**31}, "INVALID_INPUT"),
        ({"count": "1"}, "INVALID_INPUT"),
        ({"word": None}, "INVALID_INPUT"),
    ],
)
async def test_input_that_does_not_fit_is_the_clients_error(
    variables: dict[str, Any], code: str
) -> None:
    engine = make_engine()

    answer = await engine.execute(engine.prepare(QUERY, None), variables, Context())

    errors = orjson.loads(answer.body)["errors"]
    assert [error["extensions"]["code"] for error in errors] == [code]
