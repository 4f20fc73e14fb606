"""Whatever plans do, graphql-core would have done the same: on documents and values at random."""

from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.limits.limits import Limits
from tests.engine.generate import ROOT_FIELDS, DocumentWriter, ValueMaker, wrong_values
from tests.engine.reference import (
    SCHEMA,
    VARIABLES,
    comparable,
    expect_event,
    expect_query,
    is_same,
    without_races,
)
from tests.engine.toy import Author, Book, Context, make_engine

# The documents are to be long, not modest.
LIMITS = Limits(query_aliases=1000, query_directives=100, query_tokens=10_000, query_cost=10**9)


AUTHOR_LEAVES = ("name", "age", "rating", "active", "born", "mood", "moods")
BELOW = ("__typename", "id", "... on Node { id }")

EXAMPLES = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@EXAMPLES
@given(st.integers(0, 2**32), st.sampled_from(ROOT_FIELDS), st.sampled_from((1.0, 0.97, 0.9)))
async def test_queries_are_answered_as_by_graphql_core(seed: int, root: str, right: float) -> None:
    engine = make_engine(LIMITS)
    random = Random(seed)
    text = DocumentWriter(random, SCHEMA).write_query(root)
    values = ValueMaker(random, right=right)
    operation = engine.prepare(text, None)

    # The first use is before plans are made, the second makes them, the third finds other values.
    for value in (values.root(root), values.root(root), values.root(root)):
        sequel = values.book(1)
        expected = await expect_query(text, Context(value, sequel))
        answer = await engine.execute(operation, VARIABLES, Context(value, sequel))

        found = comparable(orjson.loads(answer.body))
        same = is_same(found, expected)
        assert same or is_same(without_races(found), without_races(expected)), text


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@EXAMPLES
@given(
    st.integers(0, 2**32),
    st.sampled_from(("thingAdded", "bookAdded")),
    st.sampled_from((1.0, 0.97, 0.9)),
)
async def test_events_are_rendered_as_by_graphql_core(seed: int, root: str, right: float) -> None:
    engine = make_engine(LIMITS)
    random = Random(seed)
    text = DocumentWriter(random, SCHEMA).write_subscription(root)
    values = ValueMaker(random, right=right)
    operation = engine.prepare(text, None)

    for event in (values.root(root), values.root(root), values.root(root)):
        sequel = values.book(1)
        expected = await expect_event(text, event, Context(None, sequel))
        rendered = engine.render(operation, VARIABLES, event, Context(None, sequel))
        text_ = rendered if isinstance(rendered, str) else await rendered

        found = comparable(orjson.loads(text_))
        same = is_same(found, expected)
        assert same or is_same(without_races(found), without_races(expected)), text


@pytest.mark.parametrize(
    ("root", "selection", "value", "place"),
    [
        *[("author", leaf, Author(), leaf) for leaf in AUTHOR_LEAVES],
        *[("book", leaf, Book(), leaf) for leaf in ("title", "pages", "tags", "grid")],
        ("author", "id", Author(), "key"),
        *[("author", f"friend {{ {below} }}", Author(), "friend") for below in BELOW],
        *[("author", f"books {{ {below} }}", Author(), "books") for below in BELOW],
        *[("book", f"author {{ {below} }}", Book(), "author") for below in BELOW],
        *[("book", f"sequel {{ {below} }}", Book(), "sequel") for below in BELOW],
        *[("author", below, None, None) for below in BELOW],
        *[("book", below, None, None) for below in BELOW],
        *[("item", below, None, None) for below in BELOW],
        *[("items", below, None, None) for below in BELOW],
        *[("things", below, None, None) for below in ("__typename", "... on Node { id }")],
    ],
)
async def test_no_value_is_taken_for_another(
    root: str, selection: str, value: Any, place: str | None
) -> None:
    """Each field alone with all that could be mistaken: a plan that reads little checks little."""
    engine = make_engine(LIMITS)
    text = f"{{ {root} {{ __typename {selection} }} }}"
    operation = engine.prepare(text, None)
    await engine.execute(operation, None, Context())

    for wrong in wrong_values(None if place is None else getattr(value, place)):
        placed = wrong if place is None else type(value)(**{place: wrong})
        expected = await expect_query(text, Context(placed))
        answer = await engine.execute(operation, None, Context(placed))

        assert is_same(comparable(orjson.loads(answer.body)), expected), wrong


def test_an_event_that_the_plan_covers_is_rendered_at_once() -> None:
    engine = make_engine()
    operation = engine.prepare(
        "subscription { bookAdded { id title pages author { name mood } sequel { id } } }", None
    )
    event = Book(author=Author(), sequel=None)

    texts = {engine.render(operation, None, event, Context()) for _ in range(4)}

    assert texts == {
        '{"data":{"bookAdded":{"id":"x_b1","title":"Notes","pages":100,'
        '"author":{"name":"Ada","mood":"GLAD"},"sequel":null}}}'
    }


async def test_what_is_not_loaded_is_asked_of_the_resolver() -> None:
    engine = make_engine()
    operation = engine.prepare("{ book { id sequel { id title } } }", None)
    context = Context(Book(key="one"), Book(key="two", title="More"))

    answers = [await engine.execute(operation, None, context) for _ in range(3)]

    assert {answer.body for answer in answers} == {
        b'{"data":{"book":{"id":"x_one","sequel":{"id":"x_two","title":"More"}}}}'
    }
    assert context.calls == ["sequel"] * 3
