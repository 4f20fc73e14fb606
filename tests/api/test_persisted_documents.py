"""Documents that a client names by their hash: automatic persisted queries."""

import hashlib
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.client import ApiClient, Json, codes_of
from tests.make import Person
from tests.serving import ServedWith, Server

VIEWER = "{ viewer { name } }"
ALICE = {"data": {"viewer": {"name": "Alice"}}}


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def persisted(text: str, *, with_text: bool = False, **more: Any) -> Json:
    """Return what Apollo's link sends: the hash, and the text only when it was asked for."""
    body: Json = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(text)}}}
    return {**body, **({"query": text} if with_text else {}), **more}


async def post(client: ApiClient, body: Json, **headers: str) -> Any:
    return await client.server.http.post(
        client.server.url, json=body, headers={**client.headers, **headers}
    )


async def test_a_hash_is_enough_once_its_text_was_sent(alice: Person) -> None:
    unknown = await post(alice, persisted(VIEWER))
    told = await post(alice, persisted(VIEWER, with_text=True))
    known = await post(alice, persisted(VIEWER))

    assert unknown.status_code == 200
    (error,) = unknown.json()["errors"]
    assert error["message"] == "PersistedQueryNotFound"
    assert error["extensions"] == {"code": "PERSISTED_QUERY_NOT_FOUND"}
    assert told.json() == known.json() == ALICE


async def test_it_works_by_get(alice: Person) -> None:
    document = "query ByGet { viewer { name } }"
    await post(alice, persisted(document, with_text=True))
    parameters = urlencode({"extensions": json.dumps(persisted(document)["extensions"])})

    answer = await alice.server.http.get(f"{alice.server.url}?{parameters}", headers=alice.headers)

    assert answer.json() == ALICE


async def test_it_works_on_a_websocket(alice: Person) -> None:
    document = "query OnASocket { viewer { name } }"
    async with alice.socket() as socket:
        answers = []
        for body in (persisted(document), persisted(document, with_text=True), persisted(document)):
            await socket.send({"id": "1", "type": "subscribe", "payload": body})
            answers.append(await socket.receive())
            if answers[-1]["type"] == "next":
                await socket.receive()

    assert [answer["type"] for answer in answers] == ["error", "next", "next"]
    assert codes_of(answers[0]["payload"]) == ["PERSISTED_QUERY_NOT_FOUND"]
    assert answers[2]["payload"] == ALICE


async def test_a_document_id_is_taken_as_the_specification_writes_it(alice: Person) -> None:
    document = "query ById { viewer { name } }"
    await post(alice, persisted(document, with_text=True))

    answer = await post(alice, {"documentId": f"sha256:{sha256(document)}"})

    assert answer.json() == ALICE


async def test_a_hash_of_another_text_is_refused_and_kept_for_nobody(alice: Person) -> None:
    other = "query Other { viewer { name } }"
    wrong = {**persisted(VIEWER + " "), "query": other}

    assert codes_of((await post(alice, wrong)).json()["errors"]) == ["INVALID_INPUT"]
    unknown = await post(alice, persisted(VIEWER + " "))
    assert codes_of(unknown.json()["errors"]) == ["PERSISTED_QUERY_NOT_FOUND"]


async def test_a_text_that_is_no_document_is_not_kept(alice: Person) -> None:
    await post(alice, persisted("{ nothing }", with_text=True))

    again = await post(alice, persisted("{ nothing }"))

    assert codes_of(again.json()["errors"]) == ["PERSISTED_QUERY_NOT_FOUND"]


@pytest.mark.parametrize(
    "extensions",
    [
        {"persistedQuery": "x"},
        {"persistedQuery": {"version": 1}},
        {"persistedQuery": {"sha256Hash": 7}},
        {"persistedQuery": {"sha256Hash": "x" * 300}},
    ],
)
async def test_what_is_no_hash_is_refused(alice: Person, extensions: Json) -> None:
    answer = await post(alice, {"query": VIEWER, "extensions": extensions})

    assert answer.status_code == 400
    assert codes_of(answer.json()["errors"]) == ["INVALID_INPUT"]


async def test_where_it_is_off_the_client_is_told_so(
    alice: Person, served_with: ServedWith
) -> None:
    async with served_with(persisted_documents=0) as server:
        person = alice.at(server)
        answers = [await post(person, persisted(VIEWER)) for _ in range(2)]
        full = await post(person, persisted(VIEWER, with_text=True))

    for answer in answers:
        (error,) = answer.json()["errors"]
        assert error["message"] == "PersistedQueryNotSupported"
        assert error["extensions"] == {"code": "PERSISTED_QUERY_NOT_SUPPORTED"}
    assert full.json() == ALICE


async def test_the_least_recently_used_goes_first(alice: Person, served_with: ServedWith) -> None:
    documents = [f"query Q{n} {{ viewer {{ name }} }}" for n in range(3)]
    async with served_with(persisted_documents=2) as server:
        person = alice.at(server)
        for document in documents[:2]:
            await post(person, persisted(document, with_text=True))
        await post(person, persisted(documents[0]))
        await post(person, persisted(documents[2], with_text=True))
        kept = ["data" in (await post(person, persisted(each))).json() for each in documents]

    assert kept == [True, False, True]


async def test_a_mutation_by_its_hash_needs_post(alice: Person, server: Server) -> None:
    mutation = 'mutation { setTyping(channelId: "x", typing: true) { __typename } }'
    await post(alice, persisted(mutation, with_text=True))
    parameters = urlencode({"extensions": json.dumps(persisted(mutation)["extensions"])})

    answer = await server.http.get(f"{server.url}?{parameters}", headers=alice.headers)

    assert answer.status_code == 405
