"""The cost of an operation: how many objects its answer may hold.

An object counts 1. A field with `first` or `last` multiplies what is below it by that many (unsaid:
the default page; past the limit: the limit, since its resolver refuses it). A list by the length of
the list that the field is given, else by its `list_size` mark. Introspection is bounded elsewhere
and counts nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    is_composite_type,
    is_leaf_type,
)
from graphql.language import FieldNode, IntValueNode, ListValueNode, ValueNode, VariableNode

from models.limits.limits import Limits
from parley.engine.errors import exceeded
from parley.engine.facts import SchemaFacts
from parley.engine.outline import INTROSPECTION, Outline

Size = int | Callable[[Mapping[str, Any]], int]

# Objects of a list that no argument and no mark says anything about.
LIST_SIZE = 4

# Costs that are kept for one operation, by the variables they depend on.
_KEPT = 64


@dataclass(slots=True)
class _Term:
    """`fixed` objects, and a number of times the sum of other terms."""

    fixed: int
    parts: list[tuple[Size, "_Term"]]

    def total(self, variables: Mapping[str, Any]) -> int:
        return self.fixed + sum(
            (size if isinstance(size, int) else size(variables)) * term.total(variables)
            for size, term in self.parts
        )


class Cost:
    """The cost of one operation, by the values of the variables that it depends on."""

    def __init__(self, facts: SchemaFacts, limits: Limits, fields: Iterable[Outline]) -> None:
        self._facts = facts
        self._limits = limits
        self._variables: set[str] = set()
        self._term = self._sum(fields, in_page=False)
        self._kept: dict[tuple[int | None, ...], int] = {}

    def require_modest(self, variables: Mapping[str, Any]) -> int:
        """Return the cost.

        Raises:
            OperationRefused: LIMIT_EXCEEDED.
        """
        total = self.total(variables)
        if total > self._limits.query_cost:
            raise exceeded(
                f"The answer could hold more than {self._limits.query_cost} objects: ask for less."
            )
        return total

    def total(self, variables: Mapping[str, Any]) -> int:
        if not self._variables:
            return self._term.fixed
        key = tuple(_extent(variables.get(name)) for name in self._variables)
        total = self._kept.get(key)
        if total is None:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            total = self._kept[key] = self._term.total(variables)
        return total

    def _sum(self, fields: Iterable[Outline], *, in_page: bool) -> _Term:
        fixed = 0
        parts: list[tuple[Size, _Term]] = []
        for field in fields:
            if field.field_name in INTROSPECTION:
                continue
            term = self._field(field, in_page=in_page)
            fixed += term.fixed
            parts += term.parts
        return _Term(fixed, parts)

    def _field(self, field: Outline, *, in_page: bool) -> _Term:
        definitions = [
            (node, parent, definition)
            for node, parent in field.nodes
            if (definition := self._find_definition(node, parent)) is not None
            and not is_leaf_type(_named(definition))
        ]
        if not definitions:
            return _Term(0, [])
        paged = any(_is_paged(definition) for _, _, definition in definitions)
        below = self._sum(field.children, in_page=paged)
        sizes = [self._size(*each, in_page=in_page) for each in definitions]
        if paged:
            term = _times(sizes, below)
            return _Term(term.fixed + 1, term.parts)
        return _times(sizes, _Term(below.fixed + 1, below.parts))

    def _find_definition(
        self, node: FieldNode, parent: GraphQLNamedType | None
    ) -> GraphQLField | None:
        if parent is None or not is_composite_type(parent):
            return None
        return self._facts.schema.get_field(parent, node.name.value)

    def _size(
        self,
        node: FieldNode,
        parent: GraphQLNamedType | None,
        definition: GraphQLField,
        *,
        in_page: bool,
    ) -> Size:
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        if _is_paged(definition):
            return self._page_size([given[name] for name in ("first", "last") if name in given])
        if in_page or not _is_list(definition):
            return 1
        lists = [name for name, argument in definition.args.items() if _is_list(argument)]
        for name in lists:
            if name in given:
                return self._list_length(given[name])
        return self._facts.list_sizes.get(
            (parent.name if parent else "", node.name.value), LIST_SIZE
        )

    def _page_size(self, values: list[ValueNode]) -> Size:
        names = [value.name.value for value in values if isinstance(value, VariableNode)]
        said = [int(value.value) for value in values if isinstance(value, IntValueNode)]
        most, default = self._limits.page_size, self._limits.default_page_size
        if not names:
            return min(max(*said, 1, 1), most) if said else default
        self._variables.update(names)

        def size(variables: Mapping[str, Any]) -> int:
            sizes = said + [
                value for name in names if isinstance(value := variables.get(name), int)
            ]
            return min(max(*sizes, 1, 1), most) if sizes else default

        return size

    def _list_length(self, value: ValueNode) -> Size:
        if isinstance(value, ListValueNode):
            return max(len(value.values), 1)
        if not isinstance(value, VariableNode):
            return 1
        name = value.name.value
        self._variables.add(name)
        return lambda variables: max(_extent(variables.get(name)) or 1, 1)


def _times(sizes: list[Size], term: _Term) -> _Term:
    """Multiply the term by the greatest of the sizes."""
    fixed = [size for size in sizes if isinstance(size, int)]
    unknown = [size for size in sizes if not isinstance(size, int)]
    if unknown:
        least = max(fixed, default=0)
        return _Term(
            0, [(lambda variables: max(least, *(size(variables) for size in unknown)), term)]
        )
    size = max(fixed)
    return _Term(size * term.fixed, [(size, _Term(0, term.parts))] if term.parts else [])


def _extent(value: Any) -> int | None:
    """Return the number that a cost depends on: the number itself, or a list's length."""
    if isinstance(value, list):
        return len(value)
    return value if isinstance(value, int) else None


def _is_paged(definition: GraphQLField) -> bool:
    return "first" in definition.args or "last" in definition.args


def _is_list(typed: Any) -> bool:
    type_ = typed.type.of_type if isinstance(typed.type, GraphQLNonNull) else typed.type
    return isinstance(type_, GraphQLList)


def _named(definition: GraphQLField) -> GraphQLNamedType:
    type_: Any = definition.type
    while not isinstance(type_, GraphQLNamedType):
        type_ = type_.of_type
    return type_
