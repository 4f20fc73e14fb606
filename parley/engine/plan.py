"""Plans: a generated Python function per selection set, which reads, checks and names its fields.

A plan answers exactly as graphql-core would, or raises: `PlanMiss`, or whatever the value itself
raises. Whoever calls a plan then lets graphql-core complete the same value, errors, nulls and
awaitables included. So a plan is strict: it takes objects of the classes that a type is known to
describe, lists and tuples, and leaves of their own Python class, and nothing that would have to be
coerced. The source code that is generated holds no text of the document but response names, as
literals.

Plans, planner and shape refer to each other weakly where it would be a circle: what is forgotten is
free at once, and does not wait for the garbage collector.
"""

import weakref
from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLAbstractType,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLString,
    Undefined,
    is_abstract_type,
)
from graphql.execution.collect_fields import CollectedFields, FieldDetailsList, GroupedFieldSet

from models.unloaded import UNLOADED
from parley.engine.facts import Reader, SchemaFacts

Plan = Callable[[Any], Any]
Collect = Callable[[GraphQLObjectType, FieldDetailsList], CollectedFields]
Note = Callable[[int], None]


class PlanMiss(Exception):
    """The value is not what the plan was made for."""


class Unplannable(Exception):
    """Something is selected that only graphql-core can give."""


class _Source:
    """The text of one function of one argument `v`, and the objects it refers to."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self.names: dict[str, Any] = {
            "Miss": PlanMiss,
            "UNLOADED": UNLOADED,
            "Undefined": Undefined,
            "low": float("-inf"),
            "high": float("inf"),
        }
        self._lines: list[str] = []
        self._indent = 1

    def line(self, text: str) -> None:
        self._lines.append("    " * self._indent + text)

    def indent(self, by: int) -> None:
        self._indent += by

    def name(self, value: Any) -> str:
        """Return a name for the object in the function."""
        name = f"n{len(self.names)}"
        self.names[name] = value
        return name

    def compile(self, result: str) -> Plan:
        self.line(f"return {result}")
        code = "def plan(v):\n" + "\n".join(self._lines)
        self._note(len(code))
        exec(compile(code, "<plan>", "exec"), self.names)
        plan: Plan = self.names.pop("plan")
        return plan


_LEAF_CHECKS = {
    GraphQLString.name: "{x}.__class__ is not str",
    GraphQLID.name: "{x}.__class__ is not str",
    GraphQLBoolean.name: "{x} is not True and {x} is not False",
    GraphQLInt.name: "{x}.__class__ is not int or not -2147483648 <= {x} <= 2147483647",
    GraphQLFloat.name: "{x}.__class__ is not float or not low < {x} < high",
}


class _ByClass(dict[type, Plan]):
    """The plans of an interface's or union's object types, by the source's class, made when met."""

    def __init__(
        self, planner: "Planner", type_: GraphQLAbstractType, details: FieldDetailsList
    ) -> None:
        super().__init__()
        self._planner: Planner = weakref.proxy(planner)
        self._type = type_
        self._details = details

    def __missing__(self, source: type) -> Plan:
        type_ = self._planner.facts.find_type(source, self._type)
        if type_ is None:
            raise PlanMiss
        try:
            plan = self._planner.object_plan(type_, self._details)
        except Unplannable:
            plan = _miss
        self[source] = plan
        return plan


def _miss(_: Any) -> Any:
    raise PlanMiss


class Planner:
    """Writes the plans of one shape, each once.

    `note` is told how many characters a plan has before it is compiled, and may raise Unplannable.
    Both are methods of the shape, which outlives its planner.
    """

    def __init__(self, facts: SchemaFacts, collect: Collect, note: Note) -> None:
        self.facts = facts
        self._collect = weakref.WeakMethod(collect)
        self._note = weakref.WeakMethod(note)
        self._objects: dict[tuple[str, int], Plan | None] = {}

    def value_plan(self, type_: GraphQLOutputType, details: FieldDetailsList) -> Plan:
        """Completes a value of the type.

        Raises:
            Unplannable: only graphql-core can.
        """
        source = self._begin()
        self._write_value(source, "v", type_, details)
        return source.compile("v")

    def field_plan(self, type_: GraphQLObjectType, details: FieldDetailsList) -> Plan:
        """Return the plan that reads and completes one field of an object of the type.

        Raises:
            Unplannable: only graphql-core can.
        """
        source = self._begin()
        return source.compile(self._write_field(source, "x", type_, details))

    def object_plan(self, type_: GraphQLObjectType, details: FieldDetailsList) -> Plan:
        """Completes an object of the type from what the field selects below it.

        Raises:
            Unplannable: only graphql-core can.
        """
        key = (type_.name, id(details))
        if key not in self._objects:
            try:
                self._objects[key] = self._write_object(type_, self._fields(type_, details))
            except Unplannable:
                self._objects[key] = None
        plan = self._objects[key]
        if plan is None:
            raise Unplannable
        return plan

    def _begin(self) -> _Source:
        note = self._note()
        if note is None:
            raise Unplannable
        return _Source(note)

    def _fields(self, type_: GraphQLObjectType, details: FieldDetailsList) -> GroupedFieldSet:
        collect = self._collect()
        if collect is None:
            raise Unplannable
        return collect(type_, details).grouped_field_set

    def _write_object(self, type_: GraphQLObjectType, grouped: GroupedFieldSet) -> Plan:
        source = self._begin()
        classes = [source.name(cls) for cls in self.facts.classes.get(type_.name, ())]
        if not classes:
            raise Unplannable
        source.line("c = v.__class__")
        source.line(f"if {' and '.join(f'c is not {cls}' for cls in classes)}: raise Miss")
        entries = [
            f"{response_name!r}: {self._write_field(source, f'x{index}', type_, details)}"
            for index, (response_name, details) in enumerate(grouped.items())
        ]
        return source.compile("{" + ", ".join(entries) + "}")

    def _write_field(
        self, source: _Source, x: str, type_: GraphQLObjectType, details: FieldDetailsList
    ) -> str:
        """Write the reading of a field; what it gives is the expression for its value."""
        field_name = details[0].node.name.value
        if field_name == "__typename":
            return repr(type_.name)
        reader = self.facts.readers.get((type_.name, field_name))
        if reader is None:
            raise Unplannable
        source.line(f"{x} = {_read(source, reader)}")
        self._write_value(source, x, type_.fields[field_name].type, details)
        return x

    def _write_value(
        self, source: _Source, x: str, type_: GraphQLOutputType, details: FieldDetailsList
    ) -> None:
        """Write what turns the variable into its completed value, or raises."""
        if isinstance(type_, GraphQLNonNull):
            self._write_present(source, x, type_.of_type, details)
            return
        source.line(f"if {x} is not None:")
        source.indent(1)
        self._write_present(source, x, type_, details)
        source.indent(-1)

    def _write_present(
        self, source: _Source, x: str, type_: GraphQLOutputType, details: FieldDetailsList
    ) -> None:
        if isinstance(type_, GraphQLScalarType):
            _write_scalar(source, x, type_)
        elif isinstance(type_, GraphQLEnumType):
            source.line(f"{x} = {source.name(_enum_names(type_))}[{x}]")
        elif isinstance(type_, GraphQLList):
            self._write_list(source, x, type_.of_type, details)
        else:
            source.line(f"{x} = {self._call_composite(source, x, type_, details)}")

    def _write_list(
        self, source: _Source, x: str, item_type: GraphQLOutputType, details: FieldDetailsList
    ) -> None:
        source.line(f"if {x}.__class__ is not list and {x}.__class__ is not tuple: raise Miss")
        item = item_type.of_type if isinstance(item_type, GraphQLNonNull) else None
        if isinstance(item, GraphQLObjectType) or is_abstract_type(item):
            source.line(f"{x} = [{self._call_composite(source, 'i', item, details)} for i in {x}]")
        else:
            source.line(
                f"{x} = [{source.name(self.value_plan(item_type, details))}(i) for i in {x}]"
            )

    def _call_composite(
        self, source: _Source, x: str, type_: GraphQLOutputType, details: FieldDetailsList
    ) -> str:
        if isinstance(type_, GraphQLObjectType):
            return f"{source.name(self.object_plan(type_, details))}({x})"
        if is_abstract_type(type_):
            return f"{source.name(_ByClass(self, type_, details))}[{x}.__class__]({x})"
        raise Unplannable


def _read(source: _Source, reader: Reader) -> str:
    if reader.function is not None:
        return f"{source.name(reader.function)}(v)"
    return f"v.{reader.attribute}"


def _write_scalar(source: _Source, x: str, type_: GraphQLScalarType) -> None:
    check = _LEAF_CHECKS.get(type_.name)
    if check is not None:
        source.line(f"if {check.format(x=x)}: raise Miss")
        return
    source.line(f"if {x} is UNLOADED: raise Miss")
    source.line(f"{x} = {source.name(type_.coerce_output_value)}({x})")
    source.line(f"if {x} is None or {x} is Undefined: raise Miss")


def _enum_names(type_: GraphQLEnumType) -> dict[Any, str]:
    """Return the name of each member that a source may hold."""
    members: Any = getattr(type_, "wrapped_cls", None)
    if members is None:
        raise Unplannable
    return {member: type_.coerce_output_value(member) for member in members}
