"""GraphQL over HTTP: what is answered with which status, and what never reaches a resolver."""

import asyncio
from typing import Any

import orjson
import pytest

from models.limits import Limits
from tests.engine.asgi import ADA, JSON, App
from tests.engine.toy import Book, Context

GRAPHQL_JSON = "application/graphql-response+json"
BOOK = {"query": "{ book { id } }"}
SAVE = {"query": 'mutation { save(input: {title: "t"}) { __typename } }'}
GOOD = {"authorization": "Bearer good"}


@pytest.fixture
def app() -> App:
    return App(Context(Book()))


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


# ---------------------------------------------------------------- who asks


@pytest.mark.parametrize("accept", ["application/json", GRAPHQL_JSON, "text/event-stream"])
@pytest.mark.parametrize("token", [None, "Bearer bad", "Basic good", "", "Bearer é"])
async def test_without_a_valid_token_it_is_401_whatever_is_accepted(
    app: App, accept: str, token: str | None
) -> None:
    headers = {"accept": accept} | ({} if token is None else {"authorization": token})

    for query in (BOOK, SAVE, {"query": "subscription { bookAdded { id } }"}):
        answer = await app.client.post(query, **headers)

        assert (answer.status, answer.codes) == (401, ["UNAUTHENTICATED"])
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"].startswith("application/")
    assert app.viewers == []


@pytest.mark.parametrize("token", [None, "Bearer bad", "Bearer busy", "Bearer good"])
async def test_a_public_operation_looks_at_no_token(app: App, token: str | None) -> None:
    headers = {} if token is None else {"authorization": token}

    for query in ("{ version __typename }", "mutation { signIn }"):
        answer = await app.client.post({"query": query}, **headers)

        assert answer.status == 200
        assert "errors" not in answer.json
    assert app.viewers == [None] * 2


async def test_a_token_in_the_address_is_not_read(app: App) -> None:
    for name in ("authorization", "access_token", "token"):
        answer = await app.client.get({"query": BOOK["query"], name: "Bearer good"})

        assert answer.status == 401


async def test_when_nobody_can_be_let_in_it_is_503(app: App) -> None:
    answer = await app.client.post(BOOK, authorization="Bearer busy")

    assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])


async def test_a_failure_outside_the_operation_is_500_and_masked(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(viewer: Any, address: str) -> Any:
        raise RuntimeError("a secret")

    app.http._make_context = fail

    answer = await app.client.post(BOOK, **GOOD)

    assert (answer.status, answer.codes) == (500, ["INTERNAL"])
    assert "a secret" not in caplog.text + answer.body.decode()
    assert answer.json["errors"][0]["extensions"]["errorId"] in caplog.text


async def test_a_resolver_learns_the_viewer_and_the_address(app: App) -> None:
    await app.client.post(BOOK, **GOOD)

    assert (app.viewers, app.addresses) == ([ADA], ["192.0.2.1"])


# ---------------------------------------------------------------- time


class Slow:
    """A value that does not come until it is let."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.asked = asyncio.Event()
        self.let = asyncio.Event()
        self.done = False

    def __await__(self) -> Any:
        self.asked.set()
        yield from self.let.wait().__await__()
        self.done = True
        return self.value


async def test_a_query_ends_at_the_deadline() -> None:
    app = App(Context(Slow(Book())), Limits(request_deadline_s=0.05))

    answer = await app.client.post(BOOK, **GOOD)

    assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])
    assert not app.context.value.done


async def test_a_mutation_runs_to_its_end_after_the_deadline() -> None:
    slow = Slow(["a tag"])
    app = App(Context(), Limits(request_deadline_s=0.05))
    app.context.before_save = slow

    answer = await app.client.post(SAVE, **GOOD)
    assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])
    slow.let.set()
    await app.http.drain()

    assert app.context.calls == ["t"]


async def test_a_mutation_runs_to_its_end_when_its_request_is_cancelled(app: App) -> None:
    slow = Slow(None)
    app.context.before_save = slow
    exchange = app.client.begin(headers=JSON | GOOD, chunks=[orjson.dumps(SAVE)])
    await asyncio.wait_for(slow.asked.wait(), 60)

    exchange.disconnect()
    exchange.task.cancel()
    slow.let.set()
    await app.http.drain()

    assert app.context.calls == ["t"]
