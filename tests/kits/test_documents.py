"""The documents of the client kits, without the tools of their languages."""

import re
from pathlib import Path

import pytest
from graphql import (
    GraphQLInputType,
    NonNullTypeNode,
    OperationType,
    TypeNode,
    build_schema,
    get_operation_ast,
    is_input_type,
    parse,
    type_from_ast,
    validate,
)

from parley.schema import print_schema
from tests.client import codes_of
from tests.contract.documents import sample
from tests.kits.documents import CLIENTS, operations, read_documents
from tests.make import Person

SCHEMA = build_schema(print_schema())
FOLDERS = {"typescript": CLIENTS / "typescript" / "documents"}


@pytest.mark.parametrize("folder", FOLDERS.values(), ids=FOLDERS)
def test_they_are_valid_and_all_of_their_fragments_are_used(folder: Path) -> None:
    assert validate(SCHEMA, read_documents(folder)) == []


@pytest.mark.parametrize(
    ("kit", "name"),
    [(kit, name) for kit, folder in FOLDERS.items() for name in operations(read_documents(folder))],
)
async def test_the_server_takes_each_within_its_limits(alice: Person, kit: str, name: str) -> None:
    """With variables that name nothing: the answer is null, or a Refusal, but no error."""
    document = operations(read_documents(FOLDERS[kit]))[name]
    operation = get_operation_ast(parse(document), name)
    assert operation is not None
    variables = {
        each.variable.name.value: sample(input_type(each.type))
        for each in operation.variable_definitions or ()
        if isinstance(each.type, NonNullTypeNode)
    }

    if operation.operation is OperationType.SUBSCRIPTION:
        async with alice.follow(document, **variables) as stream:
            assert (await stream.event())["__typename"] == "InboxReady"
    else:
        answer = (await alice.post(document, **variables)).json()
        assert codes_of(answer.get("errors", [])) == []


def input_type(node: TypeNode) -> GraphQLInputType:
    type_ = type_from_ast(SCHEMA, node)
    assert is_input_type(type_)
    return type_


def test_the_service_worker_reads_only_what_a_push_has() -> None:
    page = (CLIENTS.parent / "docs" / "push.md").read_text()
    rows = page.partition("| field | what it holds |")[2].partition("\n\n")[0].splitlines()
    fields = {name for row in rows[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}

    script = (CLIENTS / "typescript" / "sw.js").read_text()
    read = set(re.findall(r"(?<![/\w])push\.(\w+)", script))

    assert {"action", "thread", "channel"} <= read <= fields | {"title", "body"}
