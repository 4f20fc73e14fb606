"""The site's sources hold every page of the checkout, and everything that is in the schema."""

import re
from pathlib import Path

import pytest
from graphql import GraphQLInputObjectType, GraphQLSchema, build_schema

from parley.printed.reference import ROOTS, print_reference
from parley.printed.site import CHECKOUT, write_sources

BUILT_IN = {"String", "Int", "Float", "Boolean", "ID"}


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((CHECKOUT / "schema.graphql").read_text("utf-8"))


def test_the_reference_describes_every_type_and_leads_to_it(schema: GraphQLSchema) -> None:
    text = "".join(print_reference(schema).values())
    names = {name for name in schema.type_map if not name.startswith("__")}

    described = re.findall(r"^\(type-(\w+)\)=\n## (\w+)$", text, re.MULTILINE)

    assert sorted(described) == [(name, name) for name in sorted(names - BUILT_IN - set(ROOTS))]
    assert set(re.findall(r"\(#type-(\w+)\)", text)) <= {name for name, _ in described}


def test_the_reference_describes_every_field_and_argument(schema: GraphQLSchema) -> None:
    pages = print_reference(schema)

    for root, page in ROOTS.items():
        fields = schema.type_map[root].fields  # type: ignore[attr-defined]
        assert re.findall(r"^## (\w+)$", pages[page], re.MULTILINE) == sorted(fields)
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLInputObjectType):
            body = pages["inputs"].partition(f"(type-{type_.name})=")[2].partition("\n(type-")[0]
            assert re.findall(r"^- `(\w+)` ", body, re.MULTILINE) == list(type_.fields)


def test_what_is_deprecated_says_so() -> None:
    schema = build_schema('type Query { old(a: Int): Int @deprecated(reason: "Use new.") }')

    assert "**Deprecated:** Use new." in print_reference(schema)["queries"]


def test_the_sources_hold_all_pages_and_what_they_link_to(tmp_path: Path) -> None:
    write_sources(tmp_path)

    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    pages = {str(path.relative_to(CHECKOUT)) for path in CHECKOUT.glob("docs/**/*.md")}
    assert pages <= written
    assert {"README.md", "index.md", "reference/mutations.md", "LICENSE"} <= written


def test_every_page_of_docs_is_in_the_sites_contents() -> None:
    contents = (CHECKOUT / "docs" / "site" / "index.txt").read_text("utf-8")
    pages = {f"docs/{path.name}" for path in (CHECKOUT / "docs").glob("*.md")}

    assert {page for page in pages if f"\n{page}\n" not in contents} == set()
