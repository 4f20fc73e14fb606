"""Generated coercion comes to what graphql-core's does, for every input type of the schema."""

from random import Random
from typing import Any

import pytest
from graphql import (
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLNullableInputType,
    GraphQLScalarType,
    Undefined,
    is_enum_type,
    is_input_object_type,
    is_input_type,
    specified_scalar_types,
)
from graphql.utilities import coerce_input_value

from parley.engine.coercion import Coercers
from parley.schema import make_schema
from tests.engine import toy

SCHEMAS = {"parley": make_schema()._schema, "toy": toy.make_schema()._schema}
TYPES = [
    (where, name)
    for where, schema in SCHEMAS.items()
    for name, type_ in schema.type_map.items()
    if is_input_type(type_) and not name.startswith("__")
]
LEAVES = [
    *("text", "", "é\ud83d\ude00", "2026-01-31T12:00:00Z", "+4915112345678", "GLAD", "1"),
    *(0, 1, -1, 2**31 - 1, 2**31, -(2**31), 2**60, 1.5, 2.0, 1e300, True, False, None),
]
RIGHT_LEAVES: dict[str, list[Any]] = {
    "String": ["text", "", "é\ud83d\ude00"],
    "ID": ["1", "usr_1"],
    "Int": [0, -1, 2**31 - 1, -(2**31)],
    "Float": [1.5, -0.0, 1e300],
    "Boolean": [True, False],
    "DateTime": ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00+02:00"],
    "PhoneNumber": ["+4915112345678"],
}
ODD: list[Any] = [[], {}, [None], [["x"]], {"title": "x"}, "x", 7, None, Undefined]


@pytest.mark.parametrize(("where", "name"), TYPES)
def test_a_value_comes_to_what_graphql_core_makes_of_it(where: str, name: str) -> None:
    named: GraphQLNullableInputType = SCHEMAS[where].type_map[name]  # type: ignore[assignment]
    random = Random(name)
    for type_ in (
        named,
        GraphQLNonNull(named),
        GraphQLList(named),
        GraphQLNonNull(GraphQLList(GraphQLNonNull(named))),
    ):
        coerce = Coercers().find(type_)
        taken = 0
        for right in (1.0, 1.0, 0.95, 0.8) * 20:
            value = _value_of(random, type_, right, 4)
            expected = _coerced(lambda it, of=type_: coerce_input_value(it, of), value)
            found = _coerced(coerce, value)
            taken += found is not Undefined
            assert found is Undefined or _is_same(found, expected), value
        assert taken or not is_input_object_type(named) or named.is_one_of


@pytest.mark.parametrize("leaf", specified_scalar_types.values(), ids=str)
@pytest.mark.parametrize("required", [True, False])
def test_no_leaf_of_an_object_is_taken_for_another(
    leaf: GraphQLScalarType, *, required: bool
) -> None:
    field = GraphQLInputField(GraphQLNonNull(leaf) if required else leaf)
    type_ = GraphQLInputObjectType("Holder", {"leaf": field})
    coerce = Coercers().find(type_)

    taken = 0
    for value in (*LEAVES, *ODD, float("nan"), float("inf")):
        expected = coerce_input_value({"leaf": value}, type_)
        found = _coerced(coerce, {"leaf": value})
        taken += found is not Undefined
        assert found is Undefined or _is_same(found, expected), value
    assert taken


def test_a_plain_object_is_taken_without_graphql_core() -> None:
    schema = SCHEMAS["parley"]
    type_ = schema.type_map["SendMessageInput"]
    assert isinstance(type_, GraphQLInputObjectType)
    coercers = Coercers()
    coerce = coercers.find(GraphQLNonNull(type_))

    value = {"channelId": "chat_1", "clientMessageId": "1", "text": "Hello", "mentions": ["usr_1"]}

    assert coerce.__code__.co_filename == "<coercion>"
    assert coerce(value) == coerce_input_value(value, type_)
    assert coercers.find(GraphQLNonNull(type_)) is coerce


def test_a_type_that_holds_itself_is_left_to_graphql_core() -> None:
    type_ = SCHEMAS["toy"].type_map["Part"]
    value: dict[str, Any] = {"name": "x"}
    for _ in range(250):
        value = {"name": "x", "part": value}
    assert isinstance(type_, GraphQLInputObjectType)

    assert _coerced(Coercers().find(type_), value) is Undefined
    assert _coerced(Coercers().find(type_), {"name": "x", "part": {"name": "y"}}) is not Undefined


def _coerced(coerce: Any, value: Any) -> Any:
    try:
        return coerce(value)
    except Exception:
        return Undefined


def _value_of(random: Random, type_: GraphQLInputType, right: float, depth: int) -> Any:
    """Return a value of the type; each part of it is right with the given chance."""
    if random.random() > right:
        return random.choice([*LEAVES, *ODD])
    if isinstance(type_, GraphQLNonNull):
        return _value_of(random, type_.of_type, right, depth)
    if random.random() < 0.1:
        return None
    if isinstance(type_, GraphQLList):
        count = random.choice((0, 1, 2))
        return [_value_of(random, type_.of_type, right, depth) for _ in range(count)]
    if isinstance(type_, GraphQLInputObjectType):
        return _object_of(random, type_, right, depth)
    if is_enum_type(type_):
        return random.choice(list(type_.values))
    return random.choice(RIGHT_LEAVES.get(type_.name, LEAVES))


def _object_of(random: Random, type_: GraphQLInputObjectType, right: float, depth: int) -> Any:
    names = [
        name
        for name, field in type_.fields.items()
        if isinstance(field.type, GraphQLNonNull) or (depth > 0 and random.random() < 0.5)
    ]
    value = {
        name: _value_of(random, type_.fields[name].type, right, depth - 1)
        for name in names
        if random.random() <= right
    }
    if random.random() > right:
        value["stranger"] = 1
    return value


def _is_same(found: Any, expected: Any) -> bool:
    """Tell 1, 1.0 and True apart, and the order of an object's fields."""
    if found.__class__ is not expected.__class__:
        return False
    if isinstance(found, dict):
        return list(found) == list(expected) and all(
            _is_same(found[name], expected[name]) for name in found
        )
    if isinstance(found, list):
        return len(found) == len(expected) and all(map(_is_same, found, expected))
    return bool(found == expected)
