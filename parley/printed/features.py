"""Prints docs/features.md: a table with a row for each mutation."""

from collections.abc import Iterator

from resolvers.mutation_facts import CODES_OF_ALL, MUTATIONS, MutationFacts, Repeat

HEAD = """# What each mutation does

A mutation answers with its result, or with a `Refusal`, whose `code` says why. {common} may come
from every mutation: a budget is spent, or the server cannot do it right now. The table names the
others. The events go to the open `inbox` streams of those named; what is not told by an event is
in the last column. This page is printed from the code: `make features`.

- *Safe*: send it again when you do not know whether the first one arrived. Nothing is done twice.
- *Same id*: safe with the same client-made id (`clientMessageId`, `clientGroupId`).
- *Again*: each call does it again.
- *Once*: a code works once. Where the answer was lost, request another code.

| mutation | codes | events | repeat | fetch again |
| --- | --- | --- | --- | --- |
"""
_REPEAT = {
    Repeat.SAFE: "safe",
    Repeat.SAFE_WITH_ID: "same id",
    Repeat.AGAIN: "again",
    Repeat.ONCE: "once",
}


def print_features() -> str:
    """Return the page."""
    common = " and ".join(f"`{code.value}`" for code in CODES_OF_ALL)
    rows = (_row(name, facts) for name, facts in MUTATIONS.items())
    return HEAD.format(common=common) + "".join(f"{row}\n" for row in rows)


def _row(name: str, facts: MutationFacts) -> str:
    return "| " + " | ".join(_cells(name, facts)) + " |"


def _cells(name: str, facts: MutationFacts) -> Iterator[str]:
    yield f"`{name}`"
    yield ", ".join(f"`{code.value}`" for code in facts.codes)
    yield "; ".join(f"`{type_}` to {whom}" for type_, whom in facts.events)
    yield _REPEAT[facts.repeat]
    yield facts.fetch
