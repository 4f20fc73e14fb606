"""Documents are read once, kept while they are used, and know their operations."""

from sys import getsizeof
from typing import Any

import pytest
from graphql import GraphQLError

from models.limits.limits import Limits
from parley.engine import documents
from parley.engine.documents import Documents
from parley.engine.engine import Engine
from parley.engine.errors import OperationRefused
from parley.engine.facts import SchemaFacts
from parley.engine.persisted import (
    MAX_PERSISTED_BYTES,
    MAX_PERSISTED_TEXT,
    PersistedDocuments,
    hash_of,
)
from tests.engine.toy import make_engine, make_schema

TWO = "query One { version } mutation Two { signIn } query Three { book { id } }"


def refusals(engine: Engine, text: str, name: str | None = None) -> list[GraphQLError]:
    with pytest.raises(OperationRefused) as refused:
        engine.prepare(text, name)
    return refused.value.errors


def codes(engine: Engine, text: str, name: str | None = None) -> list[str]:
    return [(error.extensions or {})["code"] for error in refusals(engine, text, name)]


def test_the_same_text_gives_the_same_operation() -> None:
    engine = make_engine()

    assert engine.prepare("{ version }", None) is engine.prepare("{ version }", None)
    assert engine.prepare(TWO, "One") is engine.prepare(TWO, "One")
    assert len(engine.documents) == 2


def test_operations_know_what_they_are() -> None:
    engine = make_engine()
    one, two, three = (engine.prepare(TWO, name) for name in ("One", "Two", "Three"))

    assert [
        (each.kind, each.name, each.root_fields, each.public) for each in (one, two, three)
    ] == [
        ("query", "One", ("version",), True),
        ("mutation", "Two", ("signIn",), True),
        ("query", "Three", ("book",), False),
    ]


@pytest.mark.parametrize(
    ("query", "public"),
    [
        ("{ __typename version }", True),
        ("{ ...F } fragment F on Query { ... { version } }", True),
        ("{ ...F } fragment F on Query { ... { version: book { id } } }", False),
        ("{ version book { id } }", False),
        ('{ version ...F } fragment F on Query { echo(text: "") }', False),
        ('mutation { signIn save(input: {title: ""}) { __typename } }', False),
    ],
)
def test_public_is_what_asks_for_nothing_else(query: str, public: bool) -> None:
    assert make_engine().prepare(query, None).public is public


@pytest.mark.parametrize(
    ("text", "name", "code"),
    [
        ("", None, "GRAPHQL_PARSE_FAILED"),
        ("{", None, "GRAPHQL_PARSE_FAILED"),
        ("{ version } \ud800", None, "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", None, "GRAPHQL_VALIDATION_FAILED"),
        ("fragment F on Query { version }", None, "GRAPHQL_VALIDATION_FAILED"),
        ("{ ...F } fragment F on Query { ...F }", None, "GRAPHQL_VALIDATION_FAILED"),
        ("{ book { id } } { version }", None, "GRAPHQL_VALIDATION_FAILED"),
        ("{ version @defer }", None, "GRAPHQL_VALIDATION_FAILED"),
        ("type Query { version: String }", None, "GRAPHQL_VALIDATION_FAILED"),
        (TWO, None, "GRAPHQL_VALIDATION_FAILED"),
        (TWO, "Four", "GRAPHQL_VALIDATION_FAILED"),
        (TWO, "", "GRAPHQL_VALIDATION_FAILED"),
        (
            "subscription { bookAdded { id } thingAdded { __typename } }",
            None,
            "GRAPHQL_VALIDATION_FAILED",
        ),
    ],
)
def test_a_document_that_is_wrong_is_refused_with_a_code(
    text: str, name: str | None, code: str
) -> None:
    assert codes(make_engine(), text, name)[0] == code


def test_what_is_refused_is_not_kept() -> None:
    engine = make_engine()
    for text in ("{ nothing }", "{", "{ version " + "#" + "x" * documents.MAX_KEPT_TEXT + "\n}"):
        try:
            engine.prepare(text, None)
        except OperationRefused:
            continue

    assert len(engine.documents) == 0
    assert engine.documents.kept_bytes == 0


def make_documents(**bounds: Any) -> Documents:
    return Documents(
        SchemaFacts(make_schema()),
        Limits(),
        public_fields=frozenset(),
        public_introspection=False,
        hide_suggestions=True,
        **bounds,
    )


def test_the_least_recently_used_go_first() -> None:
    kept = make_documents(max_documents=10)
    first = kept.get_operation("{ version }", None)
    second = kept.get_operation("{ version } # 2", None)
    for place in range(9):
        assert kept.get_operation("{ version }", None) is first
        kept.get_operation(f"{{ version }} # and {place}", None)

    assert len(kept) == 10
    assert kept.get_operation("{ version }", None) is first
    assert kept.get_operation("{ version } # 2", None) is not second


def test_the_memory_of_what_is_kept_is_bounded() -> None:
    kept = make_documents(max_kept_bytes=1_000_000)
    fields = "id title pages tags grid author { id name } " * 10
    for place in range(20):
        kept.get_operation(f"query Q{place} {{ book {{ {fields} }} }}", None)

    assert 500_000 < kept.kept_bytes <= 1_000_000
    assert 5 < len(kept) < 20


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { queryType { name } } }",
        '{ __typename a: __type(name: "Book") { name } }',
        "{ version ...F } fragment F on Query { ... { b: __schema { queryType { name } } } }",
    ],
)
def test_introspection_is_public_in_development_only(query: str) -> None:
    assert not make_engine().prepare(query, None).public
    assert make_engine(development=True).prepare(query, None).public


@pytest.mark.parametrize(
    "query",
    [
        '{ echo(text: "", phone: "12") }',
        '{ echo(text: "", phone: 14155550123) }',
        'mutation { save(input: {title: "", at: "noon"}) { __typename } }',
    ],
)
def test_a_literal_that_its_scalar_does_not_take_is_named(query: str) -> None:
    (error,) = refusals(make_engine(), query)

    assert error.extensions == {"code": "INVALID_INPUT"}
    assert error.locations


def test_names_are_suggested_in_development_only() -> None:
    in_production = refusals(make_engine(), "{ versio }")
    in_development = refusals(make_engine(development=True), "{ versio }")

    assert "Did you mean" not in in_production[0].message
    assert "Did you mean 'version'?" in in_development[0].message


def test_a_document_tells_few_of_its_errors() -> None:
    engine = make_engine(Limits(query_root_fields=1000))
    text = "{" + " ".join(f"nothing{place}" for place in range(400)) + "}"

    assert len(refusals(engine, text)) == documents.MAX_VALIDATION_ERRORS + 1


# --------------------------------------------------------------------- by hash


def dearest(number: int) -> str:
    """Return the dearest text: one emoji makes each of its characters take four bytes."""
    return f"{{ viewer {{ id }} }} # {number} \N{GRINNING FACE}".ljust(MAX_PERSISTED_TEXT, "x")


def test_the_dearest_texts_fill_the_place_and_no_more() -> None:
    kept = PersistedDocuments(1000)
    texts = [dearest(number) for number in range(600)]
    for text in texts * 2:
        kept.keep(text, hash_of(text))

    assert len(kept) == MAX_PERSISTED_BYTES // getsizeof(texts[0])
    assert kept.find_text(None, hash_of(texts[-1])) == texts[-1]


def test_one_that_is_kept_is_counted_once() -> None:
    kept = PersistedDocuments(1000)
    first, often = dearest(0), dearest(1)
    kept.keep(first, hash_of(first))
    for _ in range(1000):
        kept.keep(often, hash_of(often))

    assert kept.find_text(None, hash_of(first)) == first


def test_longer_ones_are_not_kept() -> None:
    kept = PersistedDocuments(1000)
    text = dearest(0) + "x"
    kept.keep(text, hash_of(text))

    assert len(kept) == 0
