"""Coercion of variables by generated Python: one function for each input type of the schema.

A function takes what clients nearly always send (objects that name no stranger, lists, leaves of
their own Python class) and returns what graphql-core's `coerce_input_value` would. For everything
else it raises, and whoever calls it asks graphql-core, which also finds the words for what is
wrong. The source holds names of the schema only, as literals, and nothing of a document.
"""

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLString,
    Undefined,
    is_leaf_type,
    is_required_input_field,
)
from graphql.execution.values import input_is_nested_too_deeply
from graphql.utilities import coerce_input_value
from graphql.utilities.coerce_input_value import coerce_default_value

Coerce = Callable[[Any], Any]

# What a value must be to be taken as it is; each is false for null.
_LEAF_TESTS = {
    GraphQLString.name: "x.__class__ is str",
    GraphQLID.name: "x.__class__ is str",
    GraphQLBoolean.name: "x is True or x is False",
    GraphQLInt.name: "x.__class__ is int and -2147483648 <= x <= 2147483647",
    GraphQLFloat.name: "x.__class__ is float and low < x < high",
}


class CoercionMiss(Exception):
    """Only graphql-core can tell what the value comes to."""


class _OnlyByGraphQLCore(Exception):
    """No function is generated for the type."""


class Coercers:
    """The functions of one schema's input types, each made when a document first uses it.

    With `generated` false each is graphql-core's own way.
    """

    def __init__(self, *, generated: bool = True) -> None:
        self._generated = generated
        # By the name of an input object; None where there is no function.
        self._objects: dict[str, Coerce | None] = {}
        self._making: set[str] = set()

    def find(self, type_: GraphQLInputType) -> Coerce:
        """Return what coerces values of the type. It raises for a value that it does not take."""
        if self._generated:
            try:
                return self._value(type_)
            except _OnlyByGraphQLCore:
                pass
        return _by_graphql_core(type_)

    def _value(self, type_: GraphQLInputType) -> Coerce:
        if isinstance(type_, GraphQLNonNull):
            return self._present(type_.of_type)
        present = self._present(type_)
        return lambda value: None if value is None else present(value)

    def _present(self, type_: GraphQLInputType) -> Coerce:
        """Return what coerces values but null, which it refuses."""
        if isinstance(type_, GraphQLList):
            return _list(self._value(type_.of_type))
        if isinstance(type_, GraphQLInputObjectType):
            return self._object(type_)
        return _leaf(type_)

    def _object(self, type_: GraphQLInputObjectType) -> Coerce:
        if type_.name not in self._objects:
            # One that holds itself may be nested past what graphql-core allows.
            if type_.is_one_of or type_.name in self._making:
                raise _OnlyByGraphQLCore
            self._making.add(type_.name)
            try:
                self._objects[type_.name] = self._write_object(type_)
            except _OnlyByGraphQLCore:
                self._objects[type_.name] = None
            finally:
                self._making.discard(type_.name)
        coerce = self._objects[type_.name]
        if coerce is None:
            raise _OnlyByGraphQLCore
        return coerce

    def _write_object(self, type_: GraphQLInputObjectType) -> Coerce:
        names: dict[str, Any] = {
            "Miss": CoercionMiss,
            "absent": Undefined,
            "low": float("-inf"),
            "high": float("inf"),
        }
        lines = [
            "def coerce(v):",
            "    if v.__class__ is not dict: raise Miss",
            "    get, known, result = v.get, 0, {}",
        ]
        for name, field in type_.fields.items():
            lines += self._write_field(name, field, names)
        lines.append("    if known != len(v): raise Miss")
        if type_.out_type is GraphQLInputObjectType.out_type:
            lines.append("    return result")
        else:
            names["out_type"] = type_.out_type
            lines.append("    return out_type(result)")
        exec(compile("\n".join(lines), "<coercion>", "exec"), names)
        coerce: Coerce = names["coerce"]
        return coerce

    def _write_field(self, name: str, field: GraphQLInputField, names: dict[str, Any]) -> list[str]:
        target = f"result[{field.out_name or name!r}]"
        lines = [
            f"    x = get({name!r}, absent)",
            "    if x is not absent:",
            "        known += 1",
            *self._write_value(field.type, target, names),
        ]
        if is_required_input_field(field):
            return [*lines, "    else: raise Miss"]
        if coerce_default_value(field) is Undefined:
            return lines
        default = _name(names, lambda: coerce_default_value(field))
        return [*lines, f"    else: {target} = {default}()"]

    def _write_value(
        self, type_: GraphQLInputType, target: str, names: dict[str, Any]
    ) -> list[str]:
        required = isinstance(type_, GraphQLNonNull)
        named: Any = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        test = _LEAF_TESTS.get(getattr(named, "name", ""))
        if test is None:
            return [f"        {target} = {_name(names, self._value(type_))}(x)"]
        allowed = test if required else f"x is None or {test}"
        return [f"        if not ({allowed}): raise Miss", f"        {target} = x"]


def _name(names: dict[str, Any], value: Any) -> str:
    """Return a name for the object in the function."""
    name = f"n{len(names)}"
    names[name] = value
    return name


def _list(item: Coerce) -> Coerce:
    def coerce_list(value: Any) -> Any:
        if value.__class__ is not list:
            raise CoercionMiss
        return [item(each) for each in value]

    return coerce_list


def _leaf(type_: Any) -> Coerce:
    assert is_leaf_type(type_)
    coerce = type_.coerce_input_value

    def coerce_leaf(value: Any) -> Any:
        if value is None:
            raise CoercionMiss
        coerced = coerce(value)
        if coerced is Undefined:
            raise CoercionMiss
        return coerced

    return coerce_leaf


def _by_graphql_core(type_: GraphQLInputType) -> Coerce:
    def coerce(value: Any) -> Any:
        if input_is_nested_too_deeply(value, type_):
            raise CoercionMiss
        coerced = coerce_input_value(value, type_)
        if coerced is Undefined:
            raise CoercionMiss
        return coerced

    return coerce
