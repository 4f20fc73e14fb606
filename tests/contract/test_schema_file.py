"""schema.graphql is what the code prints: its diff is the review of an API change."""

from pathlib import Path

from graphql import build_schema, validate_schema

from parley.schema import make_schema, print_schema

CHECKOUT = Path(__file__).resolve().parents[2]


def test_it_is_what_the_code_prints() -> None:
    """`make schema` writes it."""
    assert (CHECKOUT / "schema.graphql").read_text() == print_schema()


def test_it_is_a_schema_and_complete() -> None:
    printed = build_schema(print_schema())

    assert validate_schema(printed) == []
    ours = make_schema()._schema
    builtin = {"Int"}
    assert printed.type_map.keys() - builtin == ours.type_map.keys() - builtin
