"""Calls of resolvers as strawberry makes them, with what it finds out each time found out once.

That is which arguments there are, what their types are, and what else the resolver wants: its
source, its `Info`. A field with extensions, with an input that builds itself or with a
`strawberry.Maybe` has no call here: strawberry calls its resolver.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any

import strawberry
from graphql import GraphQLResolveInfo
from strawberry.schema import compat
from strawberry.types.base import (
    StrawberryList,
    StrawberryMaybe,
    StrawberryObjectDefinition,
    StrawberryOptional,
    get_object_definition,
    has_object_definition,
)
from strawberry.types.enum import StrawberryEnumDefinition, has_enum_definition
from strawberry.types.field import StrawberryField
from strawberry.types.lazy_type import LazyType
from strawberry.types.unset import UNSET

Call = Callable[[Any, GraphQLResolveInfo[Any], Mapping[str, Any]], Any]
Convert = Callable[[Any], Any]

# A field of an input, or an argument: its GraphQL name, its Python name, and what makes its value.
_InputValue = tuple[str, str, Convert | None]


class _Unknown(Exception):
    """Only strawberry knows how to convert to the type."""


class CallMaker:
    """Makes the calls of one schema's resolvers."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self._schema = schema
        self._inputs: dict[type, Convert] = {}

    def find_call(self, field: StrawberryField) -> Call | None:
        """Return the call of the field's resolver, if it is plain."""
        if field.base_resolver is None or field.extensions or field.is_subscription:
            return None
        known = dict(self._inputs)
        try:
            return self._make_call(field)
        except _Unknown:
            # What was begun for it is not finished.
            self._inputs = known
            return None

    def _make_call(self, field: StrawberryField) -> Call:
        resolver = field.base_resolver
        assert resolver is not None
        names = self._schema.config.name_converter
        values: list[_InputValue] = [
            (names.from_argument(argument), argument.python_name, self._converter(argument.type))
            for argument in field.arguments
        ]
        takes_self = resolver.self_parameter is not None
        sources = [
            each.name for each in (resolver.parent_parameter, resolver.root_parameter) if each
        ]
        info_name = resolver.info_parameter.name if resolver.info_parameter else None
        info_class = self._schema.config.info_class
        function: Any = resolver.wrapped_func

        def call(source: Any, info: GraphQLResolveInfo[Any], given: Mapping[str, Any]) -> Any:
            arguments = _convert_values(values, given)
            for name in sources:
                arguments[name] = source
            if info_name is not None:
                arguments[info_name] = info_class(_raw_info=info, _field=field)
            return function(source, **arguments) if takes_self else function(**arguments)

        return call

    def _converter(self, type_: Any) -> Convert | None:
        """Return what turns a coerced value into the type's; None when it is that already.

        Raises:
            _Unknown: only strawberry can tell.
        """
        if isinstance(type_, LazyType):
            return self._converter(type_.resolve_type())
        if isinstance(type_, StrawberryMaybe):
            raise _Unknown
        if isinstance(type_, StrawberryOptional):
            return self._converter(type_.of_type)
        if isinstance(type_, StrawberryList):
            return _list(self._converter(type_.of_type))
        return None if self._is_leaf(type_) else self._input(type_)

    def _is_leaf(self, type_: Any) -> bool:
        return (
            isinstance(type_, StrawberryEnumDefinition)
            or has_enum_definition(type_)
            or compat.is_scalar(type_, self._schema.schema_converter.scalar_registry)
        )

    def _input(self, type_: Any) -> Convert:
        if type_ in self._inputs:
            return self._inputs[type_]
        if not has_object_definition(type_):
            raise _Unknown
        definition = get_object_definition(type_, strict=True)
        if definition.from_input is not None or not definition.is_input:
            raise _Unknown
        values: list[_InputValue] = []
        absent: dict[str, Any] = {}

        def convert(value: Any) -> Any:
            if value is None or value is UNSET:
                return value
            return type_(**{**absent, **_convert_values(values, value)})

        # An input may hold itself, so its own converter must be there before its fields'.
        self._inputs[type_] = convert
        values.extend(self._input_values(definition))
        absent.update(
            (field.python_name, None)
            for field in definition.fields
            if field.default_value is MISSING and field.default_factory is MISSING
        )
        return convert

    def _input_values(self, definition: StrawberryObjectDefinition) -> list[_InputValue]:
        names = self._schema.config.name_converter
        return [
            (
                names.from_field(field),
                field.python_name,
                self._converter(field.resolve_type(type_definition=definition)),
            )
            for field in definition.fields
        ]


def _convert_values(values: list[_InputValue], given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        python_name: given[name] if convert is None else convert(given[name])
        for name, python_name, convert in values
        if name in given
    }


def _list(convert: Convert | None) -> Convert:
    def convert_list(value: Any) -> Any:
        if value is None or value is UNSET:
            return value
        return list(value) if convert is None else [convert(item) for item in value]

    return convert_list
