"""sgqlc: Python types made of the introspected schema, and operations built of the types."""

import importlib
import os
import sys
from functools import cache
from typing import Any

from sgqlc.endpoint.http import HTTPEndpoint
from sgqlc.operation import Operation

from tests.suites.tools.checks import command, run

URL = os.environ["PARLEY_URL"]
AUTHORIZATION = f"Bearer {os.environ['PARLEY_TOKEN']}"


@cache
def types() -> Any:
    sys.path.insert(0, ".")
    return importlib.import_module("parley_types")


def ask(operation: Operation) -> Any:
    answer = HTTPEndpoint(URL, {"authorization": AUTHORIZATION})(operation)
    assert "errors" not in answer, answer
    return operation + answer


def its_introspection_is_answered() -> None:
    header = f"Authorization: {AUTHORIZATION}"
    words = ["sgqlc.introspection", "--exclude-deprecated", "-H", header, URL, "schema.json"]
    command("python", "-m", *words)


def types_are_made_of_the_schema() -> None:
    command("sgqlc-codegen", "schema", "--docstrings", "schema.json", "parley_types.py")
    assert types().MessageKind("TEXT") == "TEXT"


def a_query_by_types() -> None:
    operation = Operation(types().Query)
    operation.viewer.__fields__("id", "name")
    assert ask(operation).viewer.name == "Suite"


def a_mutation_by_types_with_both_members_of_its_union() -> None:
    operation = Operation(types().Mutation)
    left = operation.leave_group(group_id="chn_0")
    left.__as__(types().LeaveGroupPayload).group_id()
    left.__as__(types().Refusal).__fields__("code", "reason")
    assert ask(operation).leave_group.code == "NOT_FOUND"


run(
    [
        its_introspection_is_answered,
        types_are_made_of_the_schema,
        a_query_by_types,
        a_mutation_by_types_with_both_members_of_its_union,
    ]
)
