"""The schema keeps the contract, api.graphql: it may add to it, and breaks nothing.

What is not there yet is listed in absent.txt, coordinate by coordinate; whoever brings it takes it
off the list.
"""

import re
from pathlib import Path

from graphql import (
    BreakingChange,
    GraphQLInputObjectType,
    GraphQLNonNull,
    GraphQLSchema,
    Undefined,
    build_schema,
    find_breaking_changes,
)

from parley.schema import print_schema

HERE = Path(__file__).parent
REMOVED = re.compile(r"(?:Field |Argument )?(\w+(?:\.\w+)?(?:\(\w+:\))?) was removed\.")


def contract() -> GraphQLSchema:
    return build_schema((HERE / "api.graphql").read_text())


def ours() -> GraphQLSchema:
    return build_schema(print_schema())


def list_allowed() -> list[str]:
    lines = (HERE / "absent.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def absent(change: BreakingChange) -> str | None:
    """Return the coordinate of what is not there; None for another kind of change."""
    found = REMOVED.fullmatch(change.description)
    return found[1] if found else None


def test_nothing_breaks_the_contract() -> None:
    breaking = find_breaking_changes(contract(), ours())
    allowed = set(list_allowed())

    assert [each.description for each in breaking if absent(each) not in allowed] == []


def test_what_is_there_is_off_the_list_of_what_is_not() -> None:
    missing = {absent(each) for each in find_breaking_changes(contract(), ours())}

    assert [name for name in list_allowed() if name not in missing] == []


def test_the_list_names_everything_once() -> None:
    names = list_allowed()

    assert len(names) == len(set(names))


def test_additions_need_nothing_of_clients() -> None:
    """A client that knows only the contract leaves out what was added to its inputs."""
    known, new = contract(), ours()
    required = []
    for name, type_ in new.type_map.items():
        before = known.type_map.get(name)
        if not isinstance(type_, GraphQLInputObjectType) or before is None:
            continue
        assert isinstance(before, GraphQLInputObjectType)
        required += [
            f"{name}.{field_name}"
            for field_name, field in type_.fields.items()
            if field_name not in before.fields
            and isinstance(field.type, GraphQLNonNull)
            and field.default_value is Undefined
        ]

    assert required == []
