"""Which subscriptions are rendered once for many recipients, and under which key.

An operation is shared for events of a type when every field that it selects of such an event,
however deep, is marked as shared on every type that the field can be asked of. No mark means not
shared: that costs speed, never privacy.
"""

from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from typing import Any, Protocol

from graphql import GraphQLObjectType, GraphQLSchema, get_named_type, is_abstract_type
from graphql.language import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    ListValueNode,
    Node,
    ObjectValueNode,
    SelectionSetNode,
    VariableNode,
)

from models.log.events import Occurrence
from parley.engine.facts import SchemaFacts

Possible = frozenset[str]
Render = Callable[[Any], str | Awaitable[str]]


class EventRenderer(Protocol):
    def render(
        self, operation: Any, variables: Mapping[str, Any] | None, event: Any, context: Any
    ) -> str | Awaitable[str]: ...


class Keyed(Protocol):
    def shares(self, event: Any) -> bool: ...

    def share_key(self, variables: Mapping[str, Any] | None) -> Hashable: ...


def make_renderer(
    renderer: EventRenderer,
    operation: Keyed,
    variables: Mapping[str, Any] | None,
    make_context: Callable[[], Any],
) -> Render:
    """Return the function that renders the events of one subscription.

    It takes the text that another subscription of its class got, if there is one.

    A context is made for an event only where it has to be rendered.
    """
    key = operation.share_key(variables)

    def render(event: Any) -> str | Awaitable[str]:
        if not isinstance(event, Occurrence):
            return renderer.render(operation, variables, event, make_context())
        if event.renderings is None or not operation.shares(event.value):
            return renderer.render(operation, variables, event.value, make_context())
        text = event.renderings.get(key)
        if text is not None:
            return text
        rendered = renderer.render(operation, variables, event.value, make_context())
        if not isinstance(rendered, str):
            return _keep_later(rendered, event.renderings, key)
        event.renderings[key] = rendered
        return rendered

    return render


async def _keep_later(
    rendering: Awaitable[str], renderings: dict[Hashable, str], key: Hashable
) -> str:
    text = renderings[key] = await rendering
    return text


class Sharing:
    """Walks what one subscription selects below its root."""

    def __init__(self, facts: SchemaFacts, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._facts = facts
        self._schema: GraphQLSchema = facts.schema
        self._fragments = fragments

    def find_types(self, root: SelectionSetNode) -> tuple[Possible, Possible]:
        """Return the types that an event can have, and those for which the operation is shared."""
        root_type = self._schema.subscription_type
        assert root_type is not None
        nodes = [node for node, _ in self._fields(root, frozenset({root_type.name}))]
        possible = self._below({root_type.name}, nodes[0])
        return possible, frozenset(
            name
            for name in possible
            if all(
                node.selection_set is None
                or self._all_shared(node.selection_set, frozenset({name}), False)
                for node in nodes
            )
        )

    def _all_shared(self, selection_set: SelectionSetNode, possible: Possible, inner: bool) -> bool:
        """`inner`: below a field that is shared only as the outermost."""
        for node, types in self._fields(selection_set, possible):
            name = node.name.value
            if name == "__typename":
                continue
            marks = {self._facts.shared.get((type_, name), False) for type_ in types}
            if False in marks or (inner and "outermost" in marks):
                return False
            known = [mark for mark in marks if isinstance(mark, frozenset)]
            if known:
                if not self._only_selects(node, frozenset.intersection(*known)):
                    return False
                continue
            below = inner or "outermost" in marks
            if node.selection_set and not self._all_shared(
                node.selection_set, self._below(types, node), below
            ):
                return False
        return True

    def _only_selects(self, node: FieldNode, names: frozenset[str]) -> bool:
        """Return whether all that is selected of the object is among the names."""
        assert node.selection_set is not None
        selected = self._fields(node.selection_set, frozenset())
        return {each.name.value for each, _ in selected} <= names | {"__typename"}

    def _fields(
        self, selection_set: SelectionSetNode, possible: Possible
    ) -> Iterable[tuple[FieldNode, Possible]]:
        """Every field node, fragments entered, with the object types it can be asked of."""
        pending = [(selection_set, possible)]
        spread: set[tuple[str, Possible]] = set()
        while pending:
            selections, types = pending.pop()
            for selection in selections.selections:
                if isinstance(selection, FieldNode):
                    yield selection, types
                    continue
                fragment = self._fragment(selection)
                condition = fragment.type_condition
                narrowed = types & self._possible(condition.name.value) if condition else types
                if isinstance(selection, FragmentSpreadNode):
                    if (selection.name.value, narrowed) in spread:
                        continue
                    spread.add((selection.name.value, narrowed))
                pending.append((fragment.selection_set, narrowed))

    def _fragment(self, selection: Node) -> InlineFragmentNode | FragmentDefinitionNode:
        if isinstance(selection, FragmentSpreadNode):
            return self._fragments[selection.name.value]
        assert isinstance(selection, InlineFragmentNode)
        return selection

    def _below(self, types: Iterable[str], node: FieldNode) -> Possible:
        below: set[str] = set()
        for name in types:
            type_ = self._schema.type_map[name]
            assert isinstance(type_, GraphQLObjectType)
            field = self._schema.get_field(type_, node.name.value)
            if field is not None:
                below |= self._possible(get_named_type(field.type).name)
        return frozenset(below)

    def _possible(self, name: str) -> Possible:
        type_ = self._schema.type_map[name]
        if is_abstract_type(type_):
            return frozenset(each.name for each in self._schema.get_possible_types(type_))
        return frozenset({name})


def variables_below(
    root: Iterable[FieldNode], fragments: Mapping[str, FragmentDefinitionNode]
) -> frozenset[str]:
    """Return the variables that the operation uses outside the arguments of its root fields."""
    found: set[str] = set()
    seen: set[str] = set()
    pending: list[Node] = []
    for field in root:
        pending += field.directives or ()
        pending += [field.selection_set] if field.selection_set else []
    while pending:
        node = pending.pop()
        if isinstance(node, VariableNode):
            found.add(node.name.value)
        elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
            seen.add(node.name.value)
            pending.append(fragments[node.name.value])
        pending += _below(node)
    return frozenset(found)


def _below(node: Node) -> list[Node]:
    if isinstance(node, SelectionSetNode):
        return list(node.selections)
    if isinstance(node, ListValueNode):
        return list(node.values)
    if isinstance(node, ObjectValueNode):
        return [field.value for field in node.fields]
    below: list[Node] = [argument.value for argument in getattr(node, "arguments", None) or ()]
    below += getattr(node, "directives", None) or ()
    selection_set: SelectionSetNode | None = getattr(node, "selection_set", None)
    return [*below, selection_set] if selection_set else below


def hashable(value: Any) -> Hashable:
    """Return a coerced input value as a key: equal for equal values of the same classes only."""
    if isinstance(value, dict):
        return ("dict", *((name, hashable(entry)) for name, entry in sorted(value.items())))
    if isinstance(value, list):
        return ("list", *map(hashable, value))
    return (type(value), value)
