"""A server that executes only the documents that its operator has listed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from parley.configuration.trusted_documents import read_trusted_documents
from parley.settings import Settings
from tests.api.test_persisted_documents import ALICE, persisted, post
from tests.client import codes_of
from tests.make import Person
from tests.serving import serve

LISTED = "query Listed { viewer { name } }"
OTHER = "query Other { viewer { id } }"

LISTS: dict[str, Any] = {
    "GraphQL Code Generator and Relay": {"listed": LISTED},
    "Apollo": {
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [{"id": "listed", "name": "Listed", "type": "query", "body": LISTED}],
    },
}


def write(folder: Path, content: Any) -> str:
    file = folder / "documents.json"
    file.write_text(json.dumps(content))
    return str(file)


@pytest.mark.parametrize("written_by", LISTS)
def test_the_lists_of_the_usual_tools_are_read(tmp_path: Path, written_by: str) -> None:
    assert read_trusted_documents(write(tmp_path, LISTS[written_by])) == {"listed": LISTED}


@pytest.mark.parametrize("content", [{}, [], "text", {"a": 1}, {"operations": [1]}])
def test_a_file_without_documents_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(ValueError, match="has none"):
        read_trusted_documents(write(tmp_path, content))


def test_a_file_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'/none.json' is not: .*No such file"):
        read_trusted_documents("/none.json")


async def test_only_listed_documents_are_executed(alice: Person, settings: Settings) -> None:
    async with serve(replace(settings, trusted_documents={"listed": LISTED})) as server:
        person = alice.at(server)
        executed = [
            await post(person, {"query": LISTED}),
            await post(person, {"documentId": "listed"}),
            await post(person, persisted(LISTED)),
            await post(person, persisted(LISTED, with_text=True)),
        ]
        refused = {
            "text": await post(person, {"query": OTHER}),
            "hash and text": await post(person, persisted(OTHER, with_text=True)),
            "hash": await post(person, persisted(OTHER)),
        }
        async with person.socket() as socket:
            await socket.subscribe(OTHER)
            on_a_socket = await socket.receive()

    assert [answer.json() for answer in executed] == [ALICE] * 4
    assert {way: codes_of(each.json()["errors"]) for way, each in refused.items()} == {
        "text": ["DOCUMENT_NOT_TRUSTED"],
        "hash and text": ["DOCUMENT_NOT_TRUSTED"],
        "hash": ["PERSISTED_QUERY_NOT_FOUND"],
    }
    assert codes_of(on_a_socket["payload"]) == ["DOCUMENT_NOT_TRUSTED"]
