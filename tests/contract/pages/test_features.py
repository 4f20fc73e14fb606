"""Descriptions of mutations and docs/features.md say what each may answer and cause.

That no code comes which is not named is checked by the tests' client with every refusal
(tests/client.py), and that no event comes, by tests/live/test_snapshots.py.
"""

import re
from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_schema

from models.refusals import RefusalCode
from parley.printed.features import print_features
from parley.schema import print_schema
from resolvers.mutation_facts import CODES_OF_ALL, MUTATIONS

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema(print_schema())


def test_the_page_is_what_the_code_prints() -> None:
    page = (ROOT / "docs" / "features.md").read_text("utf-8")

    assert page == print_features(), "docs/features.md differs from the code: make features"


def test_every_mutation_has_its_facts(schema: GraphQLSchema) -> None:
    assert schema.mutation_type is not None
    assert set(MUTATIONS) == set(schema.mutation_type.fields)


def test_every_description_names_codes_events_and_repeating(schema: GraphQLSchema) -> None:
    assert schema.mutation_type is not None
    codes = "|".join(code.value for code in RefusalCode)
    for name, field in schema.mutation_type.fields.items():
        text = field.description or ""
        assert re.search(rf"Codes: ((?:{codes})(?:, )?)+\.", text), name
        assert "Events: " in text, name
        assert "repeat" in text.lower() or "works once" in text, name


def test_events_are_types_of_the_inbox(schema: GraphQLSchema) -> None:
    inbox = schema.get_type("InboxEvent")
    events = {type_.name for type_ in schema.get_possible_types(inbox)}  # type: ignore[arg-type]

    named = {type_ for facts in MUTATIONS.values() for type_, _ in facts.events}

    assert named <= events


def test_codes_are_named_once() -> None:
    for name, facts in MUTATIONS.items():
        codes = [*facts.codes, *CODES_OF_ALL]
        assert len(codes) == len(set(codes)), name
