"""GraphQL over HTTP: how requests are read, and in which form they are answered."""

from typing import Any

import orjson
import pytest

from tests.engine.http.asgi import JSON, App
from tests.engine.http.http_app import BOOK, GOOD, GRAPHQL_JSON, SAVE


async def test_answers_a_query_and_a_mutation(app: App) -> None:
    query = await app.client.post(BOOK, **GOOD)
    mutation = await app.client.post(SAVE, **GOOD)

    assert (query.status, query.json) == (200, {"data": {"book": {"id": "x_b1"}}})
    assert (mutation.status, mutation.json) == (200, {"data": {"save": {"__typename": "Saved"}}})
    assert query.headers == {
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "vary": "Accept, Accept-Encoding, Origin",
        "content-type": "application/json; charset=utf-8",
        "content-length": str(len(query.body)),
    }


async def test_answers_a_query_by_get_but_no_mutation(app: App) -> None:
    query = await app.client.get(
        {"query": "query Q($w: String!) { echo(text: $w) }", "variables": '{"w": "é&"}'}, **GOOD
    )
    mutation = await app.client.get({"query": SAVE["query"]}, **GOOD)

    assert (query.status, query.json) == (200, {"data": {"echo": "é&"}})
    assert (mutation.status, mutation.headers["allow"]) == (405, "POST")
    assert app.context.calls == []


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/json", "application/json"),
        ("Application/JSON; charset=utf-8", "application/json"),
        (GRAPHQL_JSON, GRAPHQL_JSON),
        (f"{GRAPHQL_JSON}, application/json", GRAPHQL_JSON),
        (f"application/json, {GRAPHQL_JSON}", GRAPHQL_JSON),
        (f"application/json;q=0.9, {GRAPHQL_JSON};q=0.8", "application/json"),
        (f"{GRAPHQL_JSON};q=0, */*", "application/json"),
        ("text/html, application/json;q=0.1", "application/json"),
        (f"{GRAPHQL_JSON}, application/json, text/event-stream", GRAPHQL_JSON),
        ("text/event-stream", "text/event-stream"),
    ],
)
async def test_answers_in_the_type_that_is_liked_best(
    app: App, accept: str | None, content_type: str
) -> None:
    headers = GOOD if accept is None else GOOD | {"accept": accept}

    answer = await app.client.post(BOOK, **headers)

    assert answer.status == 200
    assert answer.headers["content-type"].split(";")[0] == content_type


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "image/*", "", ";q=x,,"])
async def test_refuses_to_answer_in_a_type_that_it_has_not(app: App, accept: str) -> None:
    answer = await app.client.post(BOOK, accept=accept, **GOOD)

    assert (answer.status, answer.codes) == (406, ["INVALID_INPUT"])


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        ("{", None, "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", None, "GRAPHQL_VALIDATION_FAILED"),
        ("{ " + "version " * 3000 + "}", None, "LIMIT_EXCEEDED"),
        ("query ($t: String!) { echo(text: $t) }", {}, "INVALID_INPUT"),
        ("query ($t: String!) { echo(text: $t) }", {"t": "a\0"}, "INVALID_INPUT"),
    ],
)
async def test_what_cannot_be_executed_is_400_where_the_type_allows_it(
    app: App, query: str, variables: Any, code: str
) -> None:
    payload = {"query": query, "variables": variables}
    telling = await app.client.post(payload, accept=GRAPHQL_JSON, **GOOD)
    plain = await app.client.post(payload, accept="application/json", **GOOD)

    assert (telling.status, plain.status) == (400, 200)
    assert telling.codes == plain.codes == [code]
    assert "data" not in plain.json


async def test_what_failed_while_it_was_executed_is_200(app: App) -> None:
    app.context.value = None

    answer = await app.client.post({"query": "{ author { id } }"}, accept=GRAPHQL_JSON, **GOOD)

    assert (answer.status, answer.json["data"]) == (200, None)


BOMBS = {
    "nesting": b'{"variables": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001,
    "lists": b"[" * 100_000 + b"]" * 100_000,
    "a long number": b'{"query": "{ version }", "variables": {"a": ' + b"9" * 5000 + b"}}",
    "an endless number": b'{"query": "{ version }", "variables": {"a": 1e999}}',
    "not a number": b'{"query": "{ version }", "variables": {"a": NaN}}',
    "one name twice": b'{"query": "{ version }", "query": "{ version }"}',
    "one name twice, deep": b'{"query": "{a}", "variables": {"a": [{"b": 1, "\\u0062" : 2}]}}',
    "a lone surrogate": b'{"query": "{ version }", "variables": {"a": "\\ud800"}}',
    "half a character": b'{"query": "{ version }", "variables": {"a": "\xff"}}',
    "another encoding": '{"query": "{ version }"}'.encode("utf-16"),
    "something after it": b'{"query": "{ version }"} x',
    "nothing": b"",
    "a batch": orjson.dumps([BOOK] * 50),
    "a string": b'"{ version }"',
    "null": b"null",
    "no query": b"{}",
    "an empty query": b'{"query": ""}',
    "a query that is none": b'{"query": ["{ version }"]}',
    "variables that are none": b'{"query": "{ version }", "variables": []}',
    "variables in a string": b'{"query": "{ version }", "variables": "{}"}',
    "extensions that are none": b'{"query": "{ version }", "extensions": 1}',
    "a name that is none": b'{"query": "{ version }", "operationName": 1}',
}


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS.keys())
async def test_a_body_that_is_not_right_is_400(app: App, body: bytes) -> None:
    answer = await app.client.post(body, **GOOD)

    assert (answer.status, answer.codes) == (400, ["INVALID_INPUT"])


async def test_the_place_of_text_that_cannot_be_stored_is_named(app: App) -> None:
    query = "mutation ($input: SaveInput!) { save(input: $input) { __typename } }"
    variables = {"input": {"title": "t", "tags": ["a", "b\0"]}}

    answer = await app.client.post({"query": query, "variables": variables}, **GOOD)

    (error,) = answer.json["errors"]
    assert error["extensions"] == {"code": "INVALID_INPUT", "field": "input.tags.1"}
    assert (answer.status, app.context.calls) == (200, [])


async def test_names_and_strings_with_quotes_and_colons_are_counted_right(app: App) -> None:
    variables = {'a": 1, "b': 'x": 2, "\\', "c": [{"c": {}}, '":"', "\\"], "": {"": ":"}}

    answer = await app.client.post({"query": "{ version }", "variables": variables})

    assert answer.json == {"data": {"version": "1"}}


async def test_parameters_may_be_null_and_others_are_ignored(app: App) -> None:
    payload = {"query": "{ version }", "variables": None, "operationName": None, "id": {"x": 1}}

    assert (await app.client.post(payload)).json == {"data": {"version": "1"}}


@pytest.mark.parametrize(
    "content_type",
    [
        *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"),
        *("application/graphql", "application/json; charset=utf-16", "application/jsonp", ""),
    ],
)
async def test_only_json_is_taken_from_whatever_origin(content_type: str) -> None:
    """What a page of another origin can send without asking first."""
    app = App()
    headers = {"content-type": content_type, **GOOD}

    answer = await app.client.request(headers=headers, chunks=[orjson.dumps(SAVE)])

    assert (answer.status, answer.codes) == (415, ["INVALID_INPUT"])
    assert app.context.calls == []


async def test_a_body_without_a_type_or_compressed_is_refused(app: App) -> None:
    untyped = await app.client.request(headers=GOOD, chunks=[orjson.dumps(BOOK)])
    compressed = await app.client.post(BOOK, content_encoding="gzip", **GOOD)

    assert (untyped.status, compressed.status) == (415, 415)


async def test_a_large_body_is_refused_with_its_length_said_or_not(app: App) -> None:
    said = await app.client.post(BOOK, content_length=str(256 * 1024 + 1), **GOOD)
    unsaid = await app.client.request(headers=JSON | GOOD, chunks=[b" " * 100_000] * 3)
    nonsense = await app.client.post(BOOK, content_length="9" * 5000, **GOOD)
    most = await app.client.request(
        headers=JSON | GOOD, chunks=[b" " * (256 * 1024 - 15), b'{"query":', b'"{"}']
    )

    assert [each.status for each in (said, unsaid, nonsense, most)] == [413, 413, 413, 200]
    assert said.codes == ["TOO_LARGE"]
    assert most.codes == ["GRAPHQL_PARSE_FAILED"]


async def test_a_body_that_breaks_off_harms_nobody(app: App) -> None:
    exchange = app.client.begin(headers=JSON, chunks=[b'{"query"'])
    exchange.incoming.get_nowait()
    exchange.incoming.get_nowait()
    exchange.incoming.put_nowait({"type": "http.request", "body": b"{", "more_body": True})
    exchange.disconnect()

    assert (await exchange.response()).status == 400


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "TRACE", "QUERY"])
async def test_other_methods_are_refused(app: App, method: str) -> None:
    answer = await app.client.request(method)

    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST, OPTIONS")


@pytest.mark.parametrize(
    "query_string",
    [
        b"",
        b"query=",
        b"query=%7Bversion%7D&query=%7Bversion%7D",
        b"query=%FF",
        b"query=\xff",
        b"query=%7Bversion%7D&variables=%7B",
        b"query=%7Bversion%7D&variables=[]",
        b"query=%7Bversion%7D&variables=%7B%22a%22:1,%22a%22:1%7D",
        b"query=%7Bversion%7D" + b"&x=1" * 1000,
    ],
)
async def test_a_query_string_that_is_not_right_is_400(app: App, query_string: bytes) -> None:
    answer = await app.client.request("GET", query_string=query_string)

    assert (answer.status, answer.codes) == (400, ["INVALID_INPUT"])
