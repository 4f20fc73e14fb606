"""What a document may be: refused before anything expensive is done with it."""

import contextlib

import pytest
from graphql import get_introspection_query

from models.limits.limits import Limits
from parley.engine.engine import Engine
from parley.engine.errors import OperationRefused
from tests.engine.processor import least_cpu_s
from tests.engine.test_documents import codes
from tests.engine.toy import make_engine

LIMITS = Limits()


def chain(length: int) -> str:
    fragments = [f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(length)]
    return " ".join(["{ ...F0 }", *fragments, f"fragment F{length} on Query {{ version }}"])


def nested(depth: int) -> str:
    return "{ author " + "{ friend " * (depth - 2) + "{ id " + "}" * depth


def spread_out(depth: int) -> str:
    """Return the same, through a fragment and an inline fragment at each level."""
    fragments = [
        f"fragment F{n} on Author {{ ... on Author {{ friend {{ ...F{n + 1} }} }} }}"
        for n in range(depth - 2)
    ]
    return " ".join(
        ["{ author { ...F0 } }", *fragments, f"fragment F{depth - 2} on Author {{ id }}"]
    )


def accepts(engine: Engine, text: str) -> bool:
    return engine.prepare(text, None) is not None


@pytest.mark.parametrize("write", [nested, spread_out])
def test_fields_are_nested_ten_deep_at_most(write: object) -> None:
    assert callable(write)
    assert accepts(make_engine(), write(10))
    assert codes(make_engine(), write(11)) == ["LIMIT_EXCEEDED"]


def test_fifteen_aliases_are_allowed() -> None:
    def aliased(count: int) -> str:
        return "{ author {" + " ".join(f"a{n}: id" for n in range(count)) + "} }"

    assert accepts(make_engine(), aliased(15))
    assert codes(make_engine(), aliased(16)) == ["LIMIT_EXCEEDED"]


def test_ten_root_fields_are_allowed_through_fragments() -> None:
    def rooted(count: int) -> str:
        fragment = " ".join(f"a{n}: version" for n in range(count))
        return "{ ...F } fragment F on Query { " + fragment + " }"

    assert accepts(make_engine(), rooted(10))
    assert codes(make_engine(), rooted(11)) == ["LIMIT_EXCEEDED"]


def test_twenty_operations_are_allowed() -> None:
    def operations(count: int) -> str:
        return " ".join(f"query Q{n} {{ version }}" for n in range(count))

    assert make_engine().prepare(operations(20), "Q19").name == "Q19"
    assert codes(make_engine(), operations(21), "Q19") == ["LIMIT_EXCEEDED"]


def test_five_directives_are_allowed_in_one_place() -> None:
    def directed(count: int, places: int = 1) -> str:
        name = "name" + " @include(if: true)" * count
        return "{ author { id " + f"{name} " * places + "} }"

    # Five pass this limit; that one stands five times is another rule's to refuse.
    assert set(codes(make_engine(), directed(5))) == {"GRAPHQL_VALIDATION_FAILED"}
    assert accepts(make_engine(), directed(1, places=20))
    assert codes(make_engine(), directed(6)) == ["LIMIT_EXCEEDED"]


@pytest.mark.parametrize(
    "text",
    [
        "{ " + "version " * 3000 + "}",
        "{ author { " + "id " * 900 + "} }",
        "{ " + "author { id } " * 200 + "}",
        "{"
        + " ".join(f"...F{n}" for n in range(60))
        + "}"
        + " ".join(f"fragment F{n} on Query {{ author {{ id }} }}" for n in range(60)),
        chain(500),
        "{ version }" + "," * 400_000,
        "{ version }" + "\n" * 400_000,
        "{ version }" + "#\n" * 30_000,
        "{ version } #" + "x" * 400_000,
        '{ echo(text: "' + "\\u0041" * 60_000 + '") }',
        "{ version @skip(if: false)" + " @skip(if: false)" * 150 + " }",
        "{ " + "... { " * 300 + "version" + " }" * 300 + " }",
        "{ nodes(ids: " + "[" * 300 + "]" * 300 + ") { id } }",
        "{ author { friend { "
        + "friend { id name age rating active } " * 5
        + "} } }" * 1
        + " ".join(f"query Q{n} {{ version }}" for n in range(10_000)),
    ],
    ids=lambda text: text[:24],
)
def test_what_is_made_to_be_slow_is_refused_fast(text: str) -> None:
    engine = make_engine()
    accepts(engine, "{ version }")

    assert codes(engine, text) == ["LIMIT_EXCEEDED"]

    # 50 ms of CPU is the promise; a busy machine is given some more.
    assert least_cpu_s(lambda: codes(engine, text)) < 0.1


@pytest.mark.parametrize(
    "text",
    [
        chain(100),
        "{ version }" + "," * 60_000,
        '{ echo(text: """' + "x\n" * 30_000 + '""") }',
        "{ author { " + "friend { id name } " * 24 + "} }",
        "{ " + "x" * 60_000 + " }",
        "{ ...F0 } fragment F0 on Query { ...F1 } fragment F1 on Query { ...F0 }",
        "{ author { ...F0 } } "
        + " ".join(
            f"fragment F{n} on Author {{ friend {{ ...F{n + 1} }} slowFriend {{ ...F{n + 1} }} }}"
            for n in range(60)
        )
        + " fragment F60 on Author { id }",
        "{ "
        + " ".join(f"...F{n}" for n in range(24))
        + " }"
        + " ".join(
            f"fragment F{n} on Query {{ author {{ greeting(times: 1) id name friend {{ id }} }} }}"
            for n in range(24)
        ),
    ],
    ids=lambda text: text[:24],
)
def test_what_is_slow_within_the_limits_is_not_that_slow(text: str) -> None:
    engines = iter([make_engine() for _ in range(3)])

    def prepare() -> None:
        # Each engine keeps what it has prepared.
        with contextlib.suppress(OperationRefused):
            next(engines).prepare(text, None)

    assert least_cpu_s(prepare, times=3) < 0.2


def test_introspection_works_within_the_limits() -> None:
    engine = make_engine()

    for options in ({}, {"input_value_deprecation": True, "schema_description": True}):
        assert accepts(engine, get_introspection_query(**options))


@pytest.mark.parametrize(
    "text",
    [
        "{ a: __schema { types { name } } b: __schema { types { name } } }",
        "{ __schema { a: types { name } b: types { name } } }",
        "{ __schema { types { " + "fields { type { " * 12 + "name" + " } }" * 12 + " } } }",
    ],
)
def test_introspection_cannot_be_multiplied(text: str) -> None:
    assert codes(make_engine(), text) == ["LIMIT_EXCEEDED"]


@pytest.mark.parametrize("text", ['"\\u0000"', '"a\\u0000b"', '"""\0"""'])
def test_text_that_cannot_be_stored_is_refused_in_literals(text: str) -> None:
    found = codes(make_engine(), f"{{ echo(text: {text}) }}")

    assert found in (["INVALID_INPUT"], ["GRAPHQL_PARSE_FAILED"])
