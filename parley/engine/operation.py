"""Hold one operation of a document, with everything that can be worked out from its text alone."""

import weakref
from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any, Literal

from graphql import GraphQLError, GraphQLObjectType
from graphql.execution.collect_fields import FragmentDetails
from graphql.execution.values import VariableValues
from graphql.language import (
    FragmentDefinitionNode,
    OperationDefinitionNode,
    VariableNode,
)

from models.devices.sessions import Unauthenticated
from models.limits.limits import Limits
from parley.engine.cost import Cost
from parley.engine.errors import INVALID_INPUT, VALIDATION_FAILED, OperationRefused, with_code
from parley.engine.facts import SchemaFacts
from parley.engine.limits import walk
from parley.engine.outline import Outline
from parley.engine.shapes import Shape, ShapeMemory
from parley.engine.sharing import Sharing, hashable, variables_below
from parley.engine.variables import Variables

Kind = Literal["query", "mutation", "subscription"]

# Settings of an operation's @skip and @include variables that are kept side by side.
MAX_SHAPES = 8

_INTROSPECTION = frozenset({"__schema", "__type"})


class Operation:
    """One operation of a document, with all that follows from it alone."""

    def __init__(
        self,
        facts: SchemaFacts,
        limits: Limits,
        node: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        fields: list[Outline],
        memory: ShapeMemory,
        *,
        public_fields: frozenset[str],
        public_introspection: bool,
        hide_suggestions: bool,
    ) -> None:
        self.node = node
        self.kind: Kind = node.operation.value
        self.name = node.name.value if node.name else None
        self.root_fields = tuple(dict.fromkeys(field.field_name for field in fields))
        public = (
            public_fields | {"__typename"} | (_INTROSPECTION if public_introspection else set())
        )
        self.public = public.issuperset(self.root_fields)
        self.fragment_definitions = dict(fragments)
        self.fragments = {name: FragmentDetails(each) for name, each in fragments.items()}
        self.variables = Variables(
            facts.schema,
            node.variable_definitions or (),
            facts.coercers,
            hide_suggestions=hide_suggestions,
        )
        self.cost = Cost(facts, limits, fields)
        root_type = facts.schema.get_root_type(node.operation)
        assert root_type is not None
        self.root_type: GraphQLObjectType = root_type
        self.shared = False
        self._shared_types: frozenset[str] = frozenset()
        if self.kind == "subscription":
            possible, self._shared_types = Sharing(facts, fragments).find_types(node.selection_set)
            self.shared = possible == self._shared_types
        self._shares: dict[type, bool] = {}
        self._facts = facts
        self._below_root = variables_below(
            [each for field in fields for each, _ in field.nodes], fragments
        )
        declared = {each.variable.name.value for each in node.variable_definitions or ()}
        self._switches = [name for name in _switches(node, fragments) if name in declared]
        # What its document takes of memory, by an estimate, without its shapes.
        self.document_bytes = 0
        self._memory = memory
        self._shapes: dict[tuple[Any, ...], Shape] = {}

    @property
    def only_shape(self) -> Shape | None:
        """Return what is selected, if that does not depend on variables."""
        if self._switches:
            return None
        return self._shapes.get(()) or self.shape(VariableValues({}, {}))

    def refusal_of_anonymous(self) -> Exception:
        """Return why one without a viewer does not get this: `Unauthenticated`; a
        `OperationRefused` where introspection is for viewers only.
        """
        if _INTROSPECTION.isdisjoint(self.root_fields):
            return Unauthenticated()
        error = GraphQLError("Introspection needs a viewer here.", self.node)
        return OperationRefused([with_code(error, VALIDATION_FAILED)])

    def shape(self, values: VariableValues) -> Shape:
        """Return what the operation selects, given its variables.

        Raises:
            OperationRefused: a variable of @skip or @include is null.
        """
        key = tuple(values.coerced.get(name) for name in self._switches)
        shape = self._shapes.get(key)
        if shape is None:
            if None in key:
                raise OperationRefused([_null_switch(self._switches[key.index(None)])])
            switches = VariableValues(
                {name: values.sources[name] for name in self._switches},
                {name: values.coerced[name] for name in self._switches},
            )
            shape = self._keep_shape(key, switches)
        return shape

    def _keep_shape(self, key: tuple[Any, ...], switches: VariableValues) -> Shape:
        if len(self._shapes) >= MAX_SHAPES:
            del self._shapes[next(iter(self._shapes))]
        shape = Shape(
            self._facts, self.node, self.fragments, self.root_type, switches, self._memory
        )
        self._shapes[key] = shape
        self._memory.hold(shape, partial(_forget_shape, weakref.ref(self), key))
        return shape

    def shares(self, event: Any) -> bool:
        """Return True if all that is selected of such an event is shared; `shared`: of any."""
        cls = event.__class__
        shares = self._shares.get(cls)
        if shares is None:
            shares = self._shares[cls] = self._facts.is_of(cls, self._shared_types)
        return shares

    def share_key(self, variables: Mapping[str, Any] | None) -> Hashable:
        """Equal for subscriptions that get the same text for the same event.

        The operation, and the values of the variables that are used below its root.
        """
        if not self._below_root:
            return self
        coerced = self.variables.coerce(variables).coerced
        return (
            self,
            *(
                hashable(coerced[name]) if name in coerced else None
                for name in sorted(self._below_root)
            ),
        )


def _forget_shape(operation: "weakref.ref[Operation]", key: tuple[Any, ...]) -> None:
    living = operation()
    if living is not None:
        living._shapes.pop(key, None)


def _null_switch(name: str) -> GraphQLError:
    message = f"Variable '${name}' must not be null: it decides what is included."
    return GraphQLError(message, extensions={"code": INVALID_INPUT, "field": name})


def _switches(
    node: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> tuple[str, ...]:
    """Return the variables that decide what is selected."""
    names: dict[str, None] = {}
    for definition in (node, *fragments.values()):
        for each in walk(definition):
            for directive in getattr(each, "directives", None) or ():
                for argument in directive.arguments or ():
                    if isinstance(argument.value, VariableNode):
                        names[argument.value.name.value] = None
    return tuple(names)
