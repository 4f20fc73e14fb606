"""Nothing of an event or an execution is kept for the next."""

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from tests.engine.toy import Author, Book, Context, make_engine

PLANNED = "subscription { bookAdded { id title author { name mood } } }"
# An argument that no plan covers: graphql-core executes it, event by event.
EXECUTED = 'subscription { bookAdded { id author { greeting(word: "Hi") friend { name } } } }'


def grown_bytes(work: Callable[[], Any], times: int) -> int:
    for _ in range(200):
        work()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(times):
            work()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("query", "times"), [(PLANNED, 20_000), (EXECUTED, 2_000)])
def test_events_leave_nothing_behind(query: str, times: int) -> None:
    """graphql-core 3.3.2 alone keeps 3.6 KB for each event."""
    engine = make_engine()
    operation = engine.prepare(query, None)
    event = Book(author=Author(friend=Author()))

    grown = grown_bytes(lambda: engine.render(operation, None, event, Context()), times)

    assert grown < 50_000


async def test_an_execution_leaves_nothing_to_the_garbage_collector() -> None:
    engine = make_engine()
    operation = engine.prepare("{ items { id author { name } } }", None)
    context = Context([Book(author=Author())] * 5)
    for _ in range(3):
        await engine.execute(operation, None, context)
    gc.collect()
    gc.disable()
    try:
        for _ in range(50):
            await engine.execute(operation, None, context)
        found = gc.collect()
    finally:
        gc.enable()

    assert found < 50


def test_shapes_do_not_grow_with_the_values_of_variables() -> None:
    engine = make_engine()
    operation = engine.prepare(
        "subscription ($yes: Boolean!, $word: String!) "
        "{ bookAdded { id @include(if: $yes) author { greeting(word: $word) } } }",
        None,
    )
    event = Book(author=Author())
    numbers = iter(range(10_000))

    def render() -> Any:
        variables = {"yes": True, "word": f"word {next(numbers)}"}
        return engine.render(operation, variables, event, Context())

    assert grown_bytes(render, 1_000) < 50_000
