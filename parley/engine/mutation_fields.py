"""Root fields of mutations: what their resolvers are called with, worked out once a shape."""

from collections.abc import Mapping
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLResolveInfoHelpers,
)
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
from graphql.execution.values import VariableValues
from graphql.language import (
    FieldNode,
    FragmentDefinitionNode,
    OperationDefinitionNode,
    VariableNode,
)
from graphql.pyutils import Path, gather_with_cancel
from strawberry.execution import optimized_is_awaitable

from parley.engine.facts import SchemaFacts
from parley.engine.plan import Plan


def _track(_: Any) -> None:
    """Do nothing: no hook waits for such work."""


_HELPERS = GraphQLResolveInfoHelpers(
    gather=lambda values: gather_with_cancel(*values), track=_track
)


class MutationField:
    """One root field of a mutation's shape, with all that is the same for each execution."""

    def __init__(
        self,
        facts: SchemaFacts,
        root: GraphQLObjectType,
        name: str,
        details: FieldDetailsList,
        plan: Plan | None,
        of_operation: tuple[dict[str, FragmentDefinitionNode], None, OperationDefinitionNode],
    ) -> None:
        nodes = [each.node for each in details]
        field_name = nodes[0].name.value
        field = root.fields[field_name]
        self.name = name
        self.details = details
        self.type = field.type
        self.call = facts.calls[root.name, field_name]
        self.path = Path(None, name, root.name)
        # Of a value that is not null.
        self.plan = plan
        self.definition = field
        self.node = nodes[0]
        # By the argument's name: the variable that it is given, and whether null is refused there.
        self._variables = _variables_of(field, nodes[0])
        self._info = (field_name, nodes, field.type, root, self.path, facts.schema)
        self._of_operation = of_operation

    def make_info(self, values: VariableValues, context: Any) -> GraphQLResolveInfo[Any]:
        """Return what `PlanExecutor.build_resolve_info` does."""
        coerced: Any = values.coerced
        return GraphQLResolveInfo(
            *self._info,
            *self._of_operation,
            coerced,
            context,
            optimized_is_awaitable,  # type: ignore[arg-type]
            None,
            _HELPERS,
        )

    def read_arguments(self, coerced: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the arguments where all are variables that were given; else None."""
        if self._variables is None:
            return None
        arguments = {}
        for name, variable, required in self._variables:
            if variable not in coerced:
                return None
            value = arguments[name] = coerced[variable]
            if value is None and required:
                return None
        return arguments


def _variables_of(field: GraphQLField, node: FieldNode) -> tuple[tuple[str, str, bool], ...] | None:
    given = {each.name.value: each.value for each in node.arguments or ()}
    variables = []
    for name, argument in field.args.items():
        value = given.get(name)
        if not isinstance(value, VariableNode):
            return None
        required = isinstance(argument.type, GraphQLNonNull)
        variables.append((argument.out_name or name, value.name.value, required))
    return tuple(variables)


def has_calls(facts: SchemaFacts, root: GraphQLObjectType, grouped: GroupedFieldSet) -> bool:
    """Return whether the resolvers of all root fields can be called without strawberry."""
    return all(
        (root.name, details[0].node.name.value) in facts.calls for details in grouped.values()
    )
