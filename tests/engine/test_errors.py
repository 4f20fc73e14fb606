"""Errors: each has a code; what nobody expected is masked, and logged without its text."""

from typing import Any

import orjson
import pytest
from graphql import GraphQLError

from models.devices.sessions import Unauthenticated
from models.log.events import TooFarBehind
from models.refusals import RefusalCode, Refused, unavailable
from parley.engine.answers import exception_answer
from parley.engine.errors import describe_exception
from tests.engine.toy import Author, Book, Context, make_engine

CANARY = "canary-5f2e"


async def ask(query: str, variables: dict[str, Any] | None, value: Any = None) -> dict[str, Any]:
    engine = make_engine()
    answer = await engine.execute(engine.prepare(query, None), variables, Context(value))
    told: dict[str, Any] = orjson.loads(answer.body)
    return told


async def test_what_is_unexpected_is_masked_and_logged_once_without_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    query = f'{{ author {{ name greeting(word: "{CANARY}") broken }} }}'

    answer = await ask(query, None, Author(name=CANARY))

    (error,) = answer["errors"]
    error_id = error["extensions"].pop("errorId")
    assert error == {
        "message": "Something went wrong on our side.",
        "locations": [{"line": 1, "column": 47}],
        "path": ["author", "broken"],
        "extensions": {"code": "INTERNAL"},
    }
    (record,) = caplog.records
    assert error_id in record.getMessage()
    assert "RuntimeError" in record.getMessage()
    assert "tests.engine.toy.broken" in record.getMessage()
    assert record.exc_info is None
    assert CANARY not in caplog.text
    assert "a secret" not in caplog.text


async def test_a_source_that_is_not_of_its_type_is_masked_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = await ask("{ author { name } }", None, Author(name=[CANARY]))

    assert answer["data"] is None
    assert answer["errors"][0]["message"] == "Something went wrong on our side."
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert CANARY not in caplog.text + orjson.dumps(answer).decode()


async def test_many_failures_from_one_place_are_one_entry(caplog: pytest.LogCaptureFixture) -> None:
    answer = await ask("{ things { ... on Author { broken } } }", None, [Author()] * 5)

    assert len(answer["errors"]) == 5
    assert len({error["extensions"]["errorId"] for error in answer["errors"]}) == 1
    assert len(caplog.records) == 1


async def test_a_refusal_keeps_its_words_and_code(caplog: pytest.LogCaptureFixture) -> None:
    refused = Refused(RefusalCode.RATE_LIMITED, "Slow down.", field="ids.3", retry_after_ms=1500)

    answer = await ask("{ book { id } }", None, refused)

    assert answer == {
        "data": {"book": None},
        "errors": [
            {
                "message": "Slow down.",
                "locations": [{"line": 1, "column": 3}],
                "path": ["book"],
                "extensions": {"code": "RATE_LIMITED", "field": "ids.3", "retryAfterMs": 1500},
            }
        ],
    }
    assert not caplog.records


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unauthenticated(), "UNAUTHENTICATED"),
        (TooFarBehind(), "RESYNC_REQUIRED"),
        (unavailable(), "UNAVAILABLE"),
        (GraphQLError("Known.", extensions={"code": "KNOWN"}), "KNOWN"),
        (GraphQLError("Not known."), "INTERNAL"),
        (ValueError(CANARY), "INTERNAL"),
    ],
)
def test_what_ends_a_stream_has_a_code(error: Exception, code: str) -> None:
    (told,) = orjson.loads(exception_answer(error).body)["errors"]

    assert told["extensions"]["code"] == code
    assert CANARY not in told["message"]


def test_an_exception_is_described_by_its_classes_and_places() -> None:
    try:
        try:
            raise KeyError(CANARY)
        except KeyError as error:
            raise Refused(RefusalCode.CONFLICT, CANARY) from error
    except Refused as error:
        described = describe_exception(error)

    here = f"{__name__}.test_an_exception_is_described_by_its_classes_and_places"
    assert [each.split(":")[0] for each in described] == [
        f"models.refusals.Refused at {here}",
        f"KeyError at {here}",
    ]


SAVE = "mutation ($input: SaveInput!) { save(input: $input) { __typename } }"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", 5),
        ("tags", ["fine", ["deeper"]]),
        ("phoneNumber", "14155550123"),
        ("at", "2026-01-31T12:00:00"),
        ("nothing", 1),
    ],
)
async def test_input_that_is_wrong_is_refused_before_anything_runs(field: str, value: Any) -> None:
    engine = make_engine()
    context = Context()

    answer = await engine.execute(
        engine.prepare(SAVE, None), {"input": {"title": "t", field: value}}, context
    )

    errors = orjson.loads(answer.body)["errors"]
    assert [error["extensions"]["code"] for error in errors] == ["INVALID_INPUT"]
    assert (answer.executed, answer.failed) == (False, True)
    assert answer.body.startswith(b'{"errors"')
    assert context.calls == []


@pytest.mark.parametrize("value", [["x"] * 20_000, {"a": {"b": {}}}, "x" * 100_000, [[[[[]]]]]])
async def test_input_of_any_size_and_shape_gets_an_answer(value: Any) -> None:
    answer = await ask(SAVE, {"input": {"title": "t", "tags": value}})

    assert set(answer) <= {"data", "errors"}


async def test_input_that_is_nested_without_end_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(900):
        deep = [deep]
    query = "query ($grid: [[Int]!]) { describe(grid: $grid) }"

    answer = await ask(query, {"grid": deep})

    assert answer["errors"][0]["extensions"]["code"] == "INVALID_INPUT"


async def test_a_switch_without_a_value_is_the_clients_error() -> None:
    query = "query ($yes: Boolean = true) { book { id @include(if: $yes) } }"

    answer = await ask(query, {"yes": None}, Book())

    assert answer["errors"][0]["extensions"]["code"] == "INVALID_INPUT"
