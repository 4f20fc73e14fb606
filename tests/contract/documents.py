"""Documents made from the schema: for a union or an interface all fields of all its members; for
every input the least that is needed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLAbstractType,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
    is_required_input_field,
)

# A value of each scalar that names nothing that is there.
SAMPLES: dict[str, Any] = {
    "ID": "chn_" + "0" * 32,
    "String": "x",
    "Int": 1,
    "Float": 1.0,
    "Boolean": True,
    "DateTime": "2030-01-01T00:00:00.000Z",
    "PhoneNumber": "+14155550198",
    "LanguageTag": "en",
}


@dataclass
class Sample:
    """An operation on one root field, with the least of variables."""

    root: str
    document: str
    variables: dict[str, Any] = field(default_factory=dict)


def list_abstract_types(schema: GraphQLSchema) -> list[GraphQLAbstractType]:
    return [
        type_
        for name, type_ in schema.type_map.items()
        if is_abstract_type(type_) and not name.startswith("__")
    ]


def select_all(schema: GraphQLSchema, type_: GraphQLAbstractType) -> str:
    """Every field of the type and of each of its members; by alias where members differ."""
    members = schema.get_possible_types(type_)
    parts = ["__typename"]
    if isinstance(type_, GraphQLInterfaceType):
        parts += [_select(schema, name, each) for name, each in type_.fields.items()]
    differing = _find_differing(members)
    for member in members:
        selected = [
            _select(schema, name, each, f"{member.name}_" if name in differing else "")
            for name, each in member.fields.items()
        ]
        parts.append(f"... on {member.name} {{ {' '.join(selected)} }}")
    return "{ " + " ".join(parts) + " }"


def _find_differing(members: Iterable[GraphQLObjectType]) -> set[str]:
    """Names that are fields of several members, and not of one type."""
    types: dict[str, set[str]] = {}
    for member in members:
        for name, each in member.fields.items():
            types.setdefault(name, set()).add(str(each.type))
    return {name for name, found in types.items() if len(found) > 1}


def _select(schema: GraphQLSchema, name: str, each: GraphQLField, prefix: str = "") -> str:
    alias = f"{prefix}{name}: " if prefix else ""
    given = [
        f"{argument_name}: {_literal(argument.type)}"
        for argument_name, argument in each.args.items()
        if is_required_argument(argument)
    ]
    arguments = f"({', '.join(given)})" if given else ""
    named = get_named_type(each.type)
    below = "" if is_leaf_type(named) else " { __typename }"
    return f"{alias}{name}{arguments}{below}"


def _literal(type_: GraphQLInputType) -> str:
    """In a document; for the few arguments of fields that are needed."""
    named = get_named_type(type_)
    assert isinstance(named, GraphQLEnumType)
    first: str = next(iter(named.values))
    return first


def sample_roots(schema: GraphQLSchema, type_: GraphQLAbstractType) -> list[Sample]:
    """Return an operation on each root field that gives the type, or lists of it."""
    found = []
    for kind, root in (
        ("query", schema.query_type),
        ("mutation", schema.mutation_type),
        ("subscription", schema.subscription_type),
    ):
        for name, each in root.fields.items() if root else ():
            if get_named_type(each.type) is type_:
                found.append(_sample(kind, name, each, select_all(schema, type_)))
    return found


def _sample(kind: str, name: str, each: GraphQLField, selection: str) -> Sample:
    needed = {n: argument for n, argument in each.args.items() if is_required_argument(argument)}
    declared = ", ".join(f"${n}: {argument.type}" for n, argument in needed.items())
    passed = ", ".join(f"{n}: ${n}" for n in needed)
    header, arguments = (f"({declared})", f"({passed})") if needed else ("", "")
    document = f"{kind} {header} {{ {name}{arguments} {selection} }}"
    return Sample(name, document, {n: sample(argument.type) for n, argument in needed.items()})


def sample(type_: GraphQLInputType) -> Any:
    """Return the least value of an input type."""
    if is_non_null_type(type_):
        assert isinstance(type_, GraphQLNonNull)
        return sample(type_.of_type)
    if is_list_type(type_):
        return []
    if isinstance(type_, GraphQLEnumType):
        return next(iter(type_.values))
    if isinstance(type_, GraphQLInputObjectType):
        needed = [n for n, each in type_.fields.items() if is_required_input_field(each)]
        names = needed or (list(type_.fields)[:1] if type_.is_one_of else [])
        return {name: sample(type_.fields[name].type) for name in names}
    return SAMPLES[get_named_type(type_).name]
