"""GraphQL over HTTP: who asks, and how long it may take."""

import asyncio
from typing import Any

import orjson
import pytest

from models.limits.limits import Limits
from tests.engine.http.asgi import ADA, JSON, App
from tests.engine.http.http_app import BOOK, GOOD, GRAPHQL_JSON, SAVE
from tests.engine.toy import Book, Context


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


async def test_a_mutation_runs_to_its_end_when_its_client_goes(app: App) -> None:
    slow = Slow(None)
    app.context.before_save = slow
    exchange = app.client.begin(headers=JSON | GOOD, chunks=[orjson.dumps(SAVE)])
    await asyncio.wait_for(slow.asked.wait(), 60)

    exchange.disconnect()
    slow.let.set()
    await app.http.drain()

    assert app.context.calls == ["t"]


async def test_what_a_late_mutation_comes_to_is_not_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    slow = Slow(["a tag"])
    app = App(Context(), Limits(request_deadline_s=0.05))
    app.context.before_save = slow
    exchange = app.client.begin(headers=JSON | GOOD, chunks=[orjson.dumps(SAVE)])

    answer = await exchange.response()
    slow.let.set()
    await asyncio.wait_for(exchange.task, 60)

    assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])
    assert len(exchange.sent) == 2
    assert caplog.records == []
