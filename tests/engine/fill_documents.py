"""Fills the document cache with documents that take most, and says what that took: run by
test_document_memory.py in a process of its own, so that nothing else is in its figures.

Prints one line of JSON: by how many bytes the process grew, what the engine thinks that it holds,
and how many documents and shapes that is.
"""

import asyncio
import gc
import itertools
import json
import sys
from pathlib import Path
from typing import Any

from tests.engine.toy import Author, Book, Context, Film, make_engine

SWITCHES = "abcde"
LEAVES = "id name age rating active born mood moods"


def deep(number: int, more: str = "") -> str:
    """Fragments that double at each level: 150 tokens, and 2,400 fields below the author."""
    chain = " ".join(
        f"fragment F{level} on Author {{ {LEAVES} friend {{ ...F{level + 1} }} "
        f"slowFriend {{ ...F{level + 1} }} }}"
        for level in range(7)
    )
    last = f"fragment F7 on Author {{ {LEAVES} n{number}: name }}"
    return f"query Q{number} {{ author {{ {more} ...F0 }} }} {chain} {last}"


def switched(number: int) -> str:
    """Return the same under 32 settings of its variables."""
    declared = " ".join(f"${name}: Boolean!" for name in SWITCHES)
    selected = " ".join(f"{name}: __typename @include(if: ${name})" for name in SWITCHES)
    return deep(number, selected).replace(f"Q{number}", f"Q{number}({declared})", 1)


def wide(number: int) -> str:
    author = f"{{ friend {{ {LEAVES} }} books {{ id author {{ {LEAVES} n{number}: id }} }} }}"
    things = f"... on Author {author} ... on Book {{ id author {author} }} ... on Film {{ id }}"
    return f"query Q{number} {{ things {{ __typename {things} }} }}"


def operations(number: int) -> str:
    """Twenty operations that share a fragment, of which one is asked for."""
    queries = " ".join(f"query Q{number + each} {{ ...A }}" for each in range(20))
    return f"{queries} fragment A on Query {{ author {{ {LEAVES} }} }}"


def long(number: int) -> str:
    return f'query Q{number} {{ echo(text: "{"x" * 16_000}") }}'


def literals(number: int) -> str:
    parts = ", ".join('{name: "", size: 1, mood: GLAD}' for _ in range(60))
    everything = f'{{part: {{name: ""}}, parts: [{parts}]}}'
    return f"query Q{number} {{ describe(everything: {everything}) }}"


KINDS = {each.__name__: each for each in (deep, switched, wide, operations, long, literals)}


async def fill(kind: str, count: int, kept: int, shapes: int) -> dict[str, int]:
    engine = make_engine(max_kept_bytes=kept, max_shape_bytes=shapes)
    context = Context(value_for(kind))

    async def use(number: int) -> None:
        operation = engine.prepare(KINDS[kind](number), f"Q{number}")
        for variables in settings_for(kind):
            # Plans are written at the second use.
            for _ in range(2):
                answer = await engine.execute(operation, variables, context)
                assert answer.executed, answer.body[:300]

    await use(10_000)
    before = rss_bytes()
    for number in range(count):
        await use(number)
    documents = engine.documents
    return {
        "grown": rss_bytes() - before,
        "kept": documents.kept_bytes + documents.memory.bytes,
        "documents": len(documents),
        "shapes": len(documents.memory),
    }


def settings_for(kind: str) -> list[dict[str, bool]]:
    if kind != "switched":
        return [{}]
    return [
        dict(zip(SWITCHES, values, strict=True))
        for values in itertools.product((True, False), repeat=len(SWITCHES))
    ]


def value_for(kind: str) -> Any:
    author: Any = None
    for _ in range(8):
        author = Author(friend=author, books=[Book(author=author)])
    return [author, Book(author=author), Film(author=author)] if kind == "wide" else author


def rss_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


if __name__ == "__main__":
    figures = asyncio.run(fill(sys.argv[1], *map(int, sys.argv[2:])))
    sys.stdout.write(json.dumps(figures) + "\n")
