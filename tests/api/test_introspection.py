"""Introspection in production: for viewers, over HTTP and sockets; not for whoever comes by."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from graphql import build_client_schema, get_introspection_query

from parley.settings import Settings
from tests.client import ApiClient, codes_of
from tests.make import Person
from tests.serving import Server, serve

WHOLE = get_introspection_query()
TYPE = """{ __typename limits { pageSize } ...F }
    fragment F on Query { a: __type(name: "User") { name } }"""
REFUSED = "GRAPHQL_VALIDATION_FAILED"


@pytest_asyncio.fixture
async def production(settings: Settings, server: Server) -> AsyncIterator[Server]:
    async with serve(replace(settings, environment="production")) as node:
        yield node


@pytest.mark.parametrize("document", [WHOLE, TYPE], ids=["whole", "one type"])
async def test_needs_a_viewer_in_production(
    alice: Person, production: Server, document: str
) -> None:
    anonymous, viewer = ApiClient(production), alice.at(production)

    refused = await anonymous.post(document)

    assert "data" not in refused.json()
    assert await anonymous.errors(document) == [REFUSED]
    assert await viewer.errors(document) == []
    assert await ask_over_a_socket(anonymous, document) == [REFUSED]
    assert await ask_over_a_socket(viewer, document) == []


async def ask_over_a_socket(client: ApiClient, document: str) -> list[str]:
    """Return the codes of the errors."""
    async with client.socket() as socket:
        await socket.subscribe(document)
        answer = await socket.receive()
    return codes_of(answer["payload"]) if answer["type"] == "error" else []


async def test_a_viewer_gets_the_whole_schema(alice: Person, production: Server) -> None:
    introspected: Any = await alice.at(production).query(WHOLE)

    mutations = build_client_schema(introspected).mutation_type
    assert mutations is not None
    assert "sendMessage" in mutations.fields


async def test_a_typename_alone_is_open_to_all(production: Server) -> None:
    assert await ApiClient(production).query("{ __typename }") == {"__typename": "Query"}


async def test_is_open_to_all_in_development(server: Server) -> None:
    assert await ApiClient(server).errors(WHOLE) == []


async def test_nothing_is_suggested_to_one_who_guesses_names_in_production(
    production: Server, server: Server
) -> None:
    told = [(await ApiClient(node).post("{ limit { x } }")).text for node in (production, server)]

    assert ["Did you mean" in text for text in told] == [False, True]
