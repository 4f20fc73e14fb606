"""The documents that are kept, and all that follows from their use, take a bounded part of memory.

Measured with the bounds that ship (32 and 64 MiB), for the worst of these: 94 MB for 80 documents,
where six of them had come to 506 MB.
"""

import gc
import json
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest

from parley.engine.engine import Engine
from parley.engine.errors import OperationRefused
from parley.engine.operation import MAX_SHAPES
from parley.engine.shapes import ShapeMemory
from tests.engine.fill_documents import KINDS
from tests.engine.toy import Author, Book, Context, make_engine

MIB = 1024 * 1024
CHECKOUT = Path(__file__).resolve().parents[2]
KEPT, SHAPES = 8 * MIB, 12 * MIB
# Enough of each kind to be twice what may be kept.
COUNTS = {"deep": 24, "switched": 1, "wide": 160, "operations": 90, "long": 240, "literals": 40}


@pytest.mark.parametrize("kind", KINDS)
def test_a_cache_full_of_the_worst_documents_is_as_large_as_it_says(kind: str) -> None:
    figures = fill(kind, COUNTS[kind])

    assert figures["kept"] <= KEPT + SHAPES
    # What Python's allocator holds back besides is a few megabytes.
    assert figures["grown"] < 1.5 * figures["kept"] + 6 * MIB


def fill(kind: str, count: int) -> dict[str, int]:
    """Return the figures of a process that did nothing else."""
    child = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.engine.fill_documents",
            kind,
            *map(str, (count, KEPT, SHAPES)),
        ],
        cwd=CHECKOUT,
        capture_output=True,
        timeout=60,
        check=True,
    )
    figures: dict[str, int] = json.loads(child.stdout)
    return figures


def shapes_of(engine: Engine) -> ShapeMemory:
    return engine.documents.memory


async def use(engine: Engine, query: str, variables: Any = None) -> bytes:
    answer = await engine.execute(engine.prepare(query, None), variables, Context(Book()))
    return answer.body


async def test_an_operation_keeps_eight_settings_of_its_variables() -> None:
    engine = make_engine()
    declared = " ".join(f"${name}: Boolean!" for name in "bcdef")
    selected = " ".join(f"{name}: title @include(if: ${name})" for name in "bcdef")
    query = f"query ({declared}) {{ book {{ id {selected} }} }}"
    for place in range(32):
        values = {name: bool(place >> bit & 1) for bit, name in enumerate("bcdef")}
        answer = json.loads(await use(engine, query, values))
        assert set(answer["data"]["book"]) == {"id", *(each for each in values if values[each])}

    assert len(shapes_of(engine)) == MAX_SHAPES


async def test_the_shapes_that_were_used_last_stay() -> None:
    engine = make_engine(max_shape_bytes=20_000)
    often = engine.prepare("{ book { id title } }", None)
    for place in range(50):
        shape = often.only_shape
        await use(engine, "{ book { id title } }")
        await use(engine, f"{{ book {{ id n{place}: title pages }} }}")

    assert often.only_shape is shape
    assert shapes_of(engine).bytes <= 20_000
    assert 2 < len(shapes_of(engine)) < 50


async def test_the_shape_of_a_subscription_stays_while_events_come() -> None:
    engine = make_engine(max_shape_bytes=20_000)
    followed = engine.prepare("subscription { bookAdded { id title } }", None)
    shape = followed.only_shape
    for place in range(50):
        engine.render(followed, None, Book(), Context())
        await use(engine, f"{{ book {{ id n{place}: title pages }} }}")

    assert followed.only_shape is shape


async def test_what_is_forgotten_is_free_at_once() -> None:
    """Not only when the garbage collector comes by, which is rare here."""
    engine = make_engine(max_shape_bytes=1)
    query = "{ things { ... on Author { id friend { name } books { id } } } }"
    operation = engine.prepare(query, None)
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            await engine.execute(operation, None, Context([Author(friend=Author(), books=[])]))
        shape = weakref.ref(operation.only_shape)
        await use(engine, "{ book { id } }")
        assert shape() is None
    finally:
        gc.enable()


async def test_an_operation_that_ends_takes_its_shapes_along() -> None:
    engine = make_engine(max_kept_bytes=1)
    await use(engine, "{ book { id } }")
    gc.collect()

    assert (len(engine.documents), len(shapes_of(engine)), shapes_of(engine).bytes) == (0, 0, 0)


async def test_what_has_no_room_for_plans_answers_alike() -> None:
    query = KINDS["deep"](1)
    author: Any = None
    for _ in range(8):
        author = Author(friend=author)
    engine = make_engine()
    operation = engine.prepare(query, None)

    answers = [await engine.execute(operation, None, Context(author)) for _ in range(3)]

    assert answers[0] == answers[1] == answers[2]
    assert answers[0].body.startswith(b'{"data":{"author"')


def test_a_null_setting_is_refused_and_keeps_nothing() -> None:
    engine = make_engine()
    query = "query ($a: Boolean) { book { id @include(if: $a) } }"

    with pytest.raises(OperationRefused):
        engine.prepare(query, None)

    assert len(shapes_of(engine)) == 0
