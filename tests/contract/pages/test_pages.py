"""The pages for people say what is true: their GraphQL fits the schema, and their links lead
somewhere.
"""

import re
from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_schema, parse, validate

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/**/*.md", "clients/*/*.md")
    for path in ROOT.glob(pattern)
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*?) *$", re.MULTILINE)


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((ROOT / "schema.graphql").read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES)
def test_documents_fit_the_schema(page: str, schema: GraphQLSchema) -> None:
    documents = [text for language, text in fences(page) if language == "graphql"]

    for document in documents:
        assert validate(schema, parse(document)) == [], document


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Files of the repository, and headings of its pages; the net is not asked."""
    links = [link for link in LINK.findall(prose(page)) if "://" not in link]

    assert [link for link in links if not leads(page, link)] == []


def test_the_guide_names_every_event_of_the_inbox(schema: GraphQLSchema) -> None:
    inbox = schema.get_type("InboxEvent")
    events = {type_.name for type_ in schema.get_possible_types(inbox)}  # type: ignore[arg-type]

    text = (ROOT / "docs" / "guide.md").read_text("utf-8")

    assert {event for event in events if f"`{event}`" not in text} == set()


def fences(page: str) -> list[tuple[str, str]]:
    return FENCE.findall((ROOT / page).read_text("utf-8"))


def prose(page: str) -> str:
    """Return the page without blocks and pieces of code."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", (ROOT / page).read_text("utf-8")))


def leads(page: str, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (ROOT / page).parent / path if path else ROOT / page
    if not target.exists():
        return False
    return not anchor or anchor in anchors(target.read_text("utf-8"))


def anchors(text: str) -> set[str]:
    """Return the ids of headings, as GitHub and the site make them."""
    headings = HEADING.findall(FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
