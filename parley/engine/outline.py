"""The outline of an operation: its fields as execution would group them, within limits on its form.

Building it takes a bounded number of steps, whatever the document: fragments are entered where they
are spread, but the steps of all operations of a document share one budget. Types are looked up with
forbearance, because the document is not validated yet; conditions on types do not separate fields,
so the outline is never smaller than what runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from graphql import (
    GraphQLNamedType,
    GraphQLOutputType,
    GraphQLSchema,
    get_named_type,
    is_composite_type,
)
from graphql.language import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from models.limits.limits import Limits
from parley.engine.errors import exceeded

INTROSPECTION = frozenset({"__schema", "__type"})

# Selections that the fields of one document may come to, fragments spread out.
MAX_STEPS = 5000
# Times that one object's selection may name the same field: validation compares each with each.
MAX_SAME_FIELD = 24
# GraphiQL and graphql-codegen ask 13 deep; graphql-core bounds how often the lists of types are
# nested.
MAX_INTROSPECTION_DEPTH = 20


@dataclass(slots=True)
class Outline:
    """One field of the answer: the nodes that ask for it, each with the type it is asked of."""

    response_name: str
    nodes: list[tuple[FieldNode, GraphQLNamedType | None]] = field(default_factory=list)
    children: list["Outline"] = field(default_factory=list)

    @property
    def field_name(self) -> str:
        return self.nodes[0][0].name.value


class Outliner:
    """Outlines the operations of one document.

    Raises:
        OperationRefused: LIMIT_EXCEEDED.
    """

    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], limits: Limits
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._limits = limits
        self._steps = 0

    def outline(self, operation: OperationDefinitionNode) -> list[Outline]:
        """Return the root fields, with all that is below them."""
        root = self._schema.get_root_type(operation.operation)
        fields = self._group([(operation.selection_set, root)])
        if len(fields) > self._limits.query_root_fields:
            raise exceeded(
                f"At most {self._limits.query_root_fields} root fields are allowed.", operation
            )
        if sum(entry.field_name == "__schema" for entry in fields) > 1:
            raise exceeded("__schema can be selected once.", operation)
        for entry in fields:
            introspection = entry.field_name in INTROSPECTION
            self._fill(
                entry, 1, MAX_INTROSPECTION_DEPTH if introspection else self._limits.query_depth
            )
            if introspection:
                _refuse_aliases(entry)
        return fields

    def _fill(self, entry: Outline, depth: int, max_depth: int) -> None:
        if depth > max_depth:
            raise exceeded(f"Fields may be nested {max_depth} deep at most.", entry.nodes[0][0])
        below = [
            (node.selection_set, self._type_of(node, parent))
            for node, parent in entry.nodes
            if node.selection_set
        ]
        entry.children = self._group(below)
        below_depth = depth if self._is_step_of_a_page(entry) else depth + 1
        for child in entry.children:
            self._fill(child, below_depth, max_depth)

    def _is_step_of_a_page(self, entry: Outline) -> bool:
        """Return whether the field only leads from a connection to its nodes: `edges`."""
        return entry.field_name == "edges" and all(
            parent is not None and parent.name.endswith("Connection") for _, parent in entry.nodes
        )

    def _group(
        self, pending: list[tuple[SelectionSetNode, GraphQLNamedType | None]]
    ) -> list[Outline]:
        """Return the fields of selection sets that are merged."""
        groups: dict[str, Outline] = {}
        spread: set[str] = set()
        pending = pending[::-1]
        while pending:
            selection_set, parent = pending.pop()
            for selection in selection_set.selections:
                self._count_step(selection_set)
                if isinstance(selection, FieldNode):
                    self._add(groups, selection, parent)
                elif isinstance(selection, InlineFragmentNode):
                    pending.append((selection.selection_set, self._condition(selection, parent)))
                elif isinstance(selection, FragmentSpreadNode):
                    fragment = self._fragments.get(selection.name.value)
                    if fragment is not None and selection.name.value not in spread:
                        spread.add(selection.name.value)
                        pending.append((fragment.selection_set, self._condition(fragment, parent)))
        return list(groups.values())

    def _count_step(self, node: SelectionSetNode) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise exceeded(f"More than {MAX_STEPS} fields are selected, through fragments.", node)

    def _add(
        self, groups: dict[str, Outline], node: FieldNode, parent: GraphQLNamedType | None
    ) -> None:
        response_name = node.alias.value if node.alias else node.name.value
        entry = groups.get(response_name)
        if entry is None:
            entry = groups[response_name] = Outline(response_name)
        entry.nodes.append((node, parent))
        if len(entry.nodes) > MAX_SAME_FIELD:
            raise exceeded(f"A field may be selected {MAX_SAME_FIELD} times in one object.", node)

    def _condition(
        self,
        fragment: FragmentDefinitionNode | InlineFragmentNode,
        parent: GraphQLNamedType | None,
    ) -> GraphQLNamedType | None:
        condition = fragment.type_condition
        return self._schema.get_type(condition.name.value) if condition else parent

    def _type_of(self, node: FieldNode, parent: GraphQLNamedType | None) -> GraphQLNamedType | None:
        type_ = self.field_type(node, parent)
        return get_named_type(type_) if type_ else None

    def field_type(
        self, node: FieldNode, parent: GraphQLNamedType | None
    ) -> GraphQLOutputType | None:
        if parent is None or not is_composite_type(parent):
            return None
        definition = self._schema.get_field(parent, node.name.value)
        return definition.type if definition else None


def _refuse_aliases(entry: Outline) -> None:
    """Introspection is large and the same for everybody: once is enough."""
    for child in entry.children:
        if child.nodes[0][0].alias is not None:
            raise exceeded("Introspection cannot be aliased.", child.nodes[0][0])
        _refuse_aliases(child)
