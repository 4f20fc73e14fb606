"""Prints docs/errors.md: every refusal code, error code and close code, and what a client does.

What a refusal code means is the schema's own description. What a client does is written here; a
code without an entry makes the page fail, so that no new code goes without its advice.
"""

from collections.abc import Iterator, Mapping

from graphql import GraphQLEnumType, build_schema

from models.close_codes import CloseCode
from models.refusals import RefusalCode
from parley.printed.error_advice import (
    CLOSES,
    ERRORS,
    OTHER_CLOSES,
    REFUSALS,
    REPEATS,
    STATUSES,
)
from parley.schema import print_schema

HEAD = """# Refusals, errors and close codes

Parley says no in three ways. This page lists every code of each. It is printed from the code:
`make errors`.

1. **A refusal** is the answer of a mutation: `... on Refusal { code reason field retryAfterMs }`.
   It is data, not an error. `reason` is an English sentence for developers; show your own text.
2. **An error** is an entry of `errors` with `extensions.code`. The fields beside it may have data.
3. **A close code** ends a websocket, and with it all its subscriptions.

Use codes in your program, never texts: texts may change. Keep a default branch for codes that you
do not know: show a general message, and do not repeat the request by itself.

## Which of them to repeat

| you got | repeat? |
|---|---|
"""
REFUSALS_HEAD = """
## Refusal codes

Which mutation may answer with which code: [features.md](features.md). A query or subscription can
fail for the same reasons. It then has an error with the same `extensions.code`, and
`extensions.field` and `extensions.retryAfterMs` where they apply.

| code | means | the client |
|---|---|---|
"""
ERRORS_HEAD = """
## Error codes

`extensions.code` of an entry of `errors`. Over HTTP, an answer whose operation was not executed has
a 4xx or 5xx status with clients that accept `application/graphql-response+json`.

| code | means | the client |
|---|---|---|
"""
STATUS = """
## HTTP statuses

| status | means |
|---|---|
"""
CLOSES_HEAD = """
## Close codes of websockets

After a code that says *Connect again*, wait first: a random time between 0 and 1 s, twice as long
after each failed try, at most 30 s. Otherwise all clients come back at once after a deploy.
[sync.md](sync.md) says how a stream goes on.

| code | means | the client |
|---|---|---|
"""


def print_errors() -> str:
    """Return the page.

    Raises:
        KeyError: a code has no advice.
    """
    return (
        HEAD
        + _rows(iter(REPEATS.items()))
        + REFUSALS_HEAD
        + _rows(_list_refusals())
        + ERRORS_HEAD
        + _rows((f"`{code}`", *said) for code, said in ERRORS.items())
        + STATUS
        + _rows(iter(STATUSES.items()))
        + CLOSES_HEAD
        + _rows(_list_closes())
    )


def _list_refusals() -> Iterator[tuple[str, ...]]:
    type_ = build_schema(print_schema()).type_map[RefusalCode.__name__]
    assert isinstance(type_, GraphQLEnumType)
    for code in RefusalCode:
        meaning = type_.values[code.name].description or ""
        yield f"`{code.value}`", " ".join(meaning.split()), REFUSALS[code]


def _list_closes() -> Iterator[tuple[str, ...]]:
    known: Mapping[int, tuple[str, str]] = {code.value: CLOSES[code] for code in CloseCode}
    for number, said in sorted({**OTHER_CLOSES, **known}.items()):
        yield str(number), *said


def _rows(rows: Iterator[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)
