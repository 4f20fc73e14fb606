"""One rendering for many recipients: where every field says so, and for what is the same."""

from collections.abc import Callable
from typing import Any

import pytest

from models.log.events import Occurrence
from parley.engine.operation import Operation
from parley.engine.sharing import make_renderer
from tests.engine.toy import Author, Book, Context, Film, make_engine


def prepare(selection: str, root: str = "bookAdded", variables: str = "") -> Operation:
    return make_engine().prepare(f"subscription S{variables} {{ {root} {selection} }}", None)


@pytest.mark.parametrize(
    ("root", "selection", "shared"),
    [
        ("bookAdded", "{ __typename id title pages }", True),
        ("bookAdded", "{ id tags }", False),
        ("bookAdded", "{ author { id name } }", True),
        ("bookAdded", "{ author { id mood } }", False),
        ("bookAdded", "{ sequel { id title } }", True),
        ("bookAdded", "{ sequel { sequel { id } } }", False),
        ("bookAdded", "{ sequel { ... { ... on Item { id } } } id }", True),
        ("bookAdded", "{ ... on Item { title } }", True),
        ("bookAdded", "{ author { ... on Node { id } } }", True),
        ("bookAdded", "{ author { friend { id } } }", False),
        ("thingAdded", "{ ... on Item { title } }", True),
        # A Film does not share its author, a Book does.
        ("thingAdded", "{ ... on Item { author { id } } }", False),
        ("thingAdded", "{ ... on Book { ... on Item { author { id } } } }", True),
        ("thingAdded", "{ ... on Book { author { id } } ... on Film { minutes } }", True),
        ("thingAdded", "{ ... on Book { id } ... on Author { id active } }", False),
    ],
)
def test_shared_is_what_says_so_throughout(root: str, selection: str, shared: bool) -> None:
    assert prepare(selection, root).shared is shared


def test_events_of_one_type_are_shared_for_themselves() -> None:
    """What is asked of one kind of event takes nothing from the others."""
    operation = prepare(
        "{ ... on Item { title } ... on Author { mood } ... on Film { author { id } } }",
        "thingAdded",
    )

    assert not operation.shared
    assert [operation.shares(each) for each in (Book(), Author(), Film())] == [True, False, False]
    assert not operation.shares(object())


def test_fragments_are_looked_into() -> None:
    fragment = "fragment F on Book { id sequel { %s } }"
    query = "subscription { bookAdded { ...F } } "
    engine = make_engine()

    assert engine.prepare(query + fragment % "title", None).shared
    assert not engine.prepare(query + fragment % "tags", None).shared
    assert not engine.prepare(query + fragment % "sequel { id }", None).shared


def test_queries_are_not_shared() -> None:
    assert not make_engine().prepare("{ book { id } }", None).shared


def test_the_key_is_the_operation_and_what_variables_do_below_the_root() -> None:
    engine = make_engine()
    above = engine.prepare(
        "subscription ($after: Int) { thingAdded(after: $after) { __typename } }", None
    )
    below = engine.prepare(
        "subscription ($yes: Boolean = true, $word: String!) "
        "{ bookAdded { id @include(if: $yes) author { greeting(word: $word) } } }",
        None,
    )

    assert above.share_key({"after": 1}) == above.share_key({"after": 2}) == above.share_key(None)
    assert below.share_key({"word": "a"}) == below.share_key({"word": "a", "yes": True})
    assert below.share_key({"word": "a"}) != below.share_key({"word": "b"})
    assert below.share_key({"word": "a"}) != below.share_key({"word": "a", "yes": False})
    assert above.share_key(None) != below.share_key({"word": "a"})


async def test_an_occurrence_is_rendered_once_for_its_class() -> None:
    operation = prepare("{ id title }")
    renderer = CountingRenderer()
    occurrence = Occurrence(Book(), {})
    other_class = Occurrence(Book(), {})

    renders = [make_renderer(renderer, operation, None, lambda: None) for _ in range(5)]
    texts = [render(occurrence) for render in renders]
    texts.append(renders[0](other_class))

    assert texts == ["1", "1", "1", "1", "1", "2"]


async def test_what_is_not_shared_is_rendered_for_each() -> None:
    renderer = CountingRenderer()
    unshared = prepare("{ id tags }")
    occurrence = Occurrence(Book(), {})
    alone = Occurrence(Book(), None)

    render = make_renderer(renderer, unshared, None, lambda: None)
    texts = [render(occurrence) for _ in range(2)]
    render = make_renderer(renderer, prepare("{ id }"), None, lambda: None)
    texts += [render(alone), render(Book())]

    assert texts == ["1", "2", "3", "4"]
    assert occurrence.renderings == {}


async def test_a_rendering_that_had_to_wait_is_shared_too() -> None:
    engine = make_engine()
    operation = engine.prepare("subscription { bookAdded { sequel { id } } }", None)
    occurrence = Occurrence(Book(author=Author()), {})
    contexts = [Context(sequel=Book()), Context(sequel=Book())]

    texts = []
    for context in contexts:
        rendered = make_renderer(engine, operation, None, giving(context))(occurrence)
        texts.append(rendered if isinstance(rendered, str) else await rendered)

    assert texts == ['{"data":{"bookAdded":{"sequel":{"id":"x_b1"}}}}'] * 2
    assert [context.calls for context in contexts] == [["sequel"], []]


async def test_a_context_is_made_only_to_render() -> None:
    made: list[None] = []
    operation = prepare("{ id }")
    render = make_renderer(CountingRenderer(), operation, None, lambda: made.append(None))
    occurrence = Occurrence(Book(), {})

    for _ in range(5):
        render(occurrence)

    assert len(made) == 1


def giving(value: Any) -> Callable[[], Any]:
    return lambda: value


class CountingRenderer:
    def __init__(self) -> None:
        self.count = 0

    def render(self, operation: Any, variables: Any, event: Any, context: Any) -> str:
        assert isinstance(event, Book)
        self.count += 1
        return str(self.count)
