"""GraphQL over HTTP: methods, media types, origins; and server-sent events for what is no
subscription.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from models.background import Background, CannotGoOn
from models.postgresql.database import Database
from parley.settings import Settings
from tests.client import codes_of
from tests.conftest import ALLOWED_ORIGIN
from tests.make import OPEN_CHAT, Person
from tests.serving import ServedWith, Server, serve
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
VIEWER = "{ viewer { name } }"
TELLING = "application/graphql-response+json"


async def ask(person: Person, document: str, **headers: str) -> Any:
    return await person.server.http.post(
        person.server.url, json={"query": document}, headers={**person.headers, **headers}
    )


async def test_a_query_may_come_by_get_and_a_mutation_may_not(alice: Person) -> None:
    def get(document: str) -> Any:
        url = f"{alice.server.url}?query={quote(document)}"
        return alice.server.http.get(url, headers=alice.headers)

    query, mutation = await get(VIEWER), await get("mutation { signOut { __typename } }")

    assert query.json() == {"data": {"viewer": {"name": "Alice"}}}
    assert mutation.status_code == 405
    assert mutation.headers["allow"] == "POST"
    assert await alice.mutate(VIEWER) == {"name": "Alice"}


async def test_get_takes_variables_and_a_name(alice: Person, bob: Person) -> None:
    document = "query A($id: ID!) { user(id: $id) { name } } query B { viewer { name } }"
    variables = json.dumps({"id": bob.id})
    url = f"{alice.server.url}?query={quote(document)}&operationName=A&variables={quote(variables)}"

    answer = await alice.server.http.get(url, headers=alice.headers)

    assert answer.json() == {"data": {"user": {"name": "Bob"}}}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_refused(alice: Person, method: str) -> None:
    answer = await alice.server.http.request(method, alice.server.url, headers=alice.headers)

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST, OPTIONS"
    assert codes_of(answer.json()["errors"]) == ["INVALID_INPUT"]


async def test_the_single_connection_mode_of_graphql_sse_is_refused_by_name(alice: Person) -> None:
    reserve = await alice.server.http.put(alice.server.url, headers=alice.headers)
    listen = await ask(alice, VIEWER, **{"x-graphql-event-stream-token": "x"})

    assert (reserve.status_code, listen.status_code) == (405, 400)
    for answer in (reserve, listen):
        (error,) = answer.json()["errors"]
        assert "singleConnection: false" in error["message"]


@pytest.mark.parametrize(
    ("accept", "content_type", "status"),
    [
        ("*/*", "application/json", 200),
        ("application/json", "application/json", 200),
        (TELLING, TELLING, 400),
        (f"{TELLING}, application/json;q=0.9", TELLING, 400),
        (f"application/json, {TELLING};q=0.9", "application/json", 200),
    ],
)
async def test_a_refused_document_is_told_as_the_client_likes(
    alice: Person, accept: str, content_type: str, status: int
) -> None:
    good, bad = await ask(alice, VIEWER, accept=accept), await ask(alice, "{", accept=accept)

    assert (good.status_code, bad.status_code) == (200, status)
    for answer in (good, bad):
        assert answer.headers["content-type"] == f"{content_type}; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_client_that_takes_nothing_of_ours_is_told(alice: Person) -> None:
    assert (await ask(alice, VIEWER, accept="text/plain")).status_code == 406
    inbox = "subscription { inbox { at } }"
    assert (await ask(alice, inbox, accept="application/json")).status_code == 406


async def test_queries_and_mutations_can_be_streamed_too(alice: Person, bob: Person) -> None:
    async with alice.listen(OPEN_CHAT, userId=bob.id) as stream:
        opened = await stream.event()
        assert opened["created"] is True
    answer = await ask(alice, "{ nothing }", accept="text/event-stream")

    kind, data, end, *_ = answer.text.splitlines()
    assert kind == "event: next"
    errors = json.loads(data.removeprefix("data: "))["errors"]
    assert codes_of(errors) == ["GRAPHQL_VALIDATION_FAILED"]
    assert answer.text.endswith("event: complete\ndata: \n\n")


ORIGINS = {
    "http://{host}": True,
    "HTTP://{host}": True,
    ALLOWED_ORIGIN: True,
    "https://chat.example:443": False,
    "http://chat.example": False,
    "https://chat.example.evil.example": False,
    "https://evilchat.example": False,
    "https://evil.example": False,
    "https://chat.example@evil.example": False,
    "http://{host}.evil.example": False,
    "http://evil.example/http://{host}": False,
    "http://127.0.0.1.evil.example": False,
    "http://192.0.2.1:1": False,
    "http://localhost:5173": True,
    "null": False,
    "file://": False,
    "": False,
}


@pytest.mark.parametrize(("origin", "allowed"), ORIGINS.items(), ids=list(ORIGINS))
async def test_only_pages_of_our_own_and_of_the_list_may_ask(
    alice: Person, guarded: Server, origin: str, allowed: bool
) -> None:
    """Else a page elsewhere could ask from the visitor's network."""
    origin = origin.format(host=guarded.host)
    headers = {**alice.headers, "origin": origin}

    answer = await guarded.http.post(guarded.url, json={"query": VIEWER}, headers=headers)
    preflight = await guarded.http.options(guarded.url, headers=headers)

    assert answer.status_code == (200 if allowed else 403)
    assert preflight.status_code == (204 if allowed else 403)
    for each in (answer, preflight):
        assert each.headers.get("access-control-allow-origin") == (origin if allowed else None)
        assert "access-control-allow-credentials" not in each.headers
        assert "Origin" in each.headers["vary"]


async def test_a_page_whose_name_leads_to_loopback_gets_no_code(
    server: Server, database: Database
) -> None:
    """DNS rebinding: the page's own name is the host that it asks, so it is of the same origin."""
    body = {
        "query": """mutation { requestCode(input: {phoneNumber: "+14155550199"}) {
            ... on RequestCodePayload { developmentCode } } }"""
    }

    async def code(host: str, origin: str | None) -> httpx2.Response:
        headers = {"host": host} | ({"origin": origin} if origin else {})
        return await server.http.post(server.url, json=body, headers=headers)

    rebound = f"evil.example:{server.port}"
    refused = await code(rebound, f"http://{rebound}")
    assert (refused.status_code, "developmentCode" in refused.text) == (403, False)
    assert await database.fetchval("SELECT count(*) FROM sign_in_codes") == 0

    local = f"localhost:{server.port}"
    for answer in (await code(local, f"http://{local}"), await code(local, None)):
        assert answer.json()["data"]["requestCode"]["developmentCode"]


async def test_in_production_only_a_page_of_the_host_itself_may_ask(settings: Settings) -> None:
    """A front end's own server on the visitor's machine is none that the operator has listed."""
    body = {"query": "{ limits { pageSize } }"}
    async with serve(replace(settings, environment="production")) as server:
        statuses = [
            (await server.http.post(server.url, json=body, headers={"origin": origin})).status_code
            for origin in ("http://localhost:5173", "http://127.0.0.1:1", f"http://{server.host}")
        ]

    assert statuses == [403, 403, 200]


async def test_a_browser_gets_the_explorer_only_where_it_is_on(settings: Settings) -> None:
    as_browser = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    async with serve(replace(settings, explorer=True)) as server:
        page = await server.http.get(server.url, headers=as_browser)
        script = await server.http.get(f"http://{server.host}/explorer/explorer.js")
        assert (page.headers["content-type"], script.status_code) == (
            "text/html; charset=utf-8",
            200,
        )

    async with serve(replace(settings, explorer=False)) as server:
        page = await server.http.get(server.url, headers=as_browser)
        script = await server.http.get(f"http://{server.host}/explorer/explorer.js")
        asked = await server.http.get(
            server.url, params={"query": "{ limits { pageSize } }"}, headers=as_browser
        )
    assert (page.status_code, script.status_code) == (200, 404)
    assert page.headers["content-type"] == "text/plain; charset=utf-8"
    assert "PARLEY_EXPLORER=1" in page.text
    assert asked.json() == {"data": {"limits": {"pageSize": 100}}}


async def test_the_address_alone_says_what_is_here(settings: Settings) -> None:
    async with serve(replace(settings, explorer=True)) as server:
        page, schema, icon, script = [
            await server.http.get(f"http://{server.host}/{path}")
            for path in ("", "schema.graphql", "favicon.ico", "explorer/home.js")
        ]
    assert 'href="/graphql"' in page.text
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert schema.text == (ROOT / "schema.graphql").read_text("utf-8")
    assert (icon.headers["content-type"], script.status_code) == ("image/svg+xml", 200)

    async with serve(replace(settings, explorer=False)) as server:
        line = await server.http.get(f"http://{server.host}/")
        hidden = await server.http.get(f"http://{server.host}/schema.graphql")
    assert "/graphql" in line.text
    assert line.headers["content-type"] == "text/plain; charset=utf-8"
    assert hidden.status_code == 404


async def test_health_and_readiness(server: Server) -> None:
    address = f"http://{server.host}"

    assert (await server.http.get(f"{address}/healthz")).status_code == 200
    ready = await server.http.get(f"{address}/readyz")
    assert (ready.status_code, ready.json()) == (200, {"ready": True})


async def test_a_server_that_drains_is_not_ready(served_with: ServedWith) -> None:
    async with served_with() as server:
        await server.app.drain()

        ready = await server.http.get(f"http://{server.host}/readyz")
        assert (ready.status_code, ready.json()) == (503, {"ready": False})
        assert (await server.http.get(f"http://{server.host}/healthz")).status_code == 200


async def test_a_server_whose_loop_cannot_go_on_is_not_ready(served_with: ServedWith) -> None:
    async with served_with() as server:
        background = Background(server.app._process.loops)
        background.forever("of a test", cannot_go_on)
        await eventually(lambda: server.app._process.loops.ended)

        ready = await server.http.get(f"http://{server.host}/readyz")
        assert (ready.status_code, ready.json()) == (503, {"ready": False})
        await background.close()


async def cannot_go_on() -> None:
    raise CannotGoOn


@pytest.mark.parametrize("encoding", ["br", "gzip"])
async def test_a_long_answer_is_compressed_for_who_can_read_it(
    alice: Person, encoding: str
) -> None:
    document = "{ __schema { types { name description } } }"

    packed = await ask(alice, document, **{"accept-encoding": encoding})
    plain = await ask(alice, document, **{"accept-encoding": "identity"})
    short = await ask(alice, VIEWER, **{"accept-encoding": encoding})

    assert packed.headers["content-encoding"] == encoding
    assert "content-encoding" not in plain.headers | short.headers
    assert packed.json() == plain.json()
    assert int(packed.headers["content-length"]) < len(plain.content) / 3
    assert "Accept-Encoding" in packed.headers["vary"]
