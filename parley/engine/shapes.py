"""A shape of an operation: what it selects under one setting of its @skip and @include variables.

graphql-core collects the fields of each selection set again for each execution, and keeps them by
the identity of a list; here the lists live as long as the operation, so nothing is collected twice
and nothing grows with the number of executions. Plans are written from the second use on: most
documents that are sent once are never sent again.

Twenty lines of fragments can select thousands of fields, and their plans take megabytes. So what
all shapes take is counted as it is made, and the least recently used go when it is too much.
"""

import weakref
from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import orjson
from graphql import (
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    get_nullable_type,
    is_leaf_type,
)
from graphql.execution.collect_fields import (
    CollectedFields,
    FieldDetailsList,
    FragmentDetails,
    GroupedFieldSet,
    collect_fields,
    collect_subfields,
)
from graphql.execution.values import VariableValues
from graphql.language import OperationDefinitionNode, OperationType

from parley.engine.facts import SchemaFacts
from parley.engine.mutation_fields import MutationField, has_calls
from parley.engine.plan import Plan, Planner, Unplannable

# Measured with tests/engine/fill_documents.py: bytes a field that is collected, a plan, and a
# character of a plan's source.
BYTES_PER_FIELD = 300
BYTES_PER_PLAN = 800
BYTES_PER_CHARACTER = 6
# A shape that takes more gets no more plans: graphql-core executes the rest of it.
MAX_PLANNED_BYTES = 1024 * 1024
MAX_SHAPE_BYTES = 64 * 1024 * 1024


class ShapeMemory:
    """What the shapes of all operations take; of too much, the least recently used are forgotten.

    Operations that are kept, and those that only a stream still holds, are counted alike. A shape
    belongs to its operation: here is only what it takes, and what makes its operation forget it.
    """

    def __init__(self, max_bytes: int = MAX_SHAPE_BYTES) -> None:
        self._max_bytes = max_bytes
        # By the shape's `id`, the most recently used last.
        self._held: OrderedDict[int, tuple[int, Callable[[], object]]] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, shape: "Shape", forget: Callable[[], object]) -> None:
        """Count a shape until it has ended. `forget` is called when it has to go."""
        key = id(shape)
        self._held[key] = (0, forget)
        weakref.finalize(shape, self._release, key).atexit = False
        self._grow(key, shape.bytes)

    def note_use(self, shape: "Shape") -> None:
        if id(shape) in self._held:
            self._held.move_to_end(id(shape))

    def note_growth(self, shape: "Shape", grown: int) -> None:
        # One that was forgotten still serves an execution or two.
        if id(shape) in self._held:
            self._grow(id(shape), grown)

    def _grow(self, key: int, by: int) -> None:
        size, forget = self._held[key]
        self._held[key] = (size + by, forget)
        self._held.move_to_end(key)
        self.bytes += by
        while self.bytes > self._max_bytes and len(self._held) > 1:
            self._release(next(iter(self._held)))

    def _release(self, key: int) -> None:
        held = self._held.pop(key, None)
        if held is not None:
            size, forget = held
            self.bytes -= size
            forget()


class EventPlan(NamedTuple):
    """The plan of a subscription's root field, and what its answer begins with."""

    start: str
    plan: Plan


# One field of an object: its name in the answer, its nodes, and its plan if there is one.
PlannedField = tuple[str, FieldDetailsList, Plan | None]


class Shape:
    """Collected fields and plans. `switches` holds the variables of @skip and @include only."""

    def __init__(
        self,
        facts: SchemaFacts,
        node: OperationDefinitionNode,
        fragments: dict[str, FragmentDetails],
        root_type: GraphQLObjectType,
        switches: VariableValues,
        memory: ShapeMemory,
    ) -> None:
        self._memory = memory
        # What it takes, by an estimate.
        self.bytes = 0
        self._facts = facts
        self._node = node
        self._fragments = fragments
        self._switches = switches
        self._root_type = root_type
        # A subscription is used for each of its events.
        self._uses = 1 if node.operation is OperationType.SUBSCRIPTION else 0
        self._planner = Planner(facts, self.collect, self._note_plan)
        self._collected: dict[tuple[str, int], CollectedFields] = {}
        self._values: dict[tuple[int, int], Plan | None] = {}
        self._fields: dict[int, list[PlannedField]] = {}
        self.root = collect_fields(
            facts.schema, fragments, switches, root_type, node
        ).grouped_field_set
        self.bytes += _bytes_of(self.root)

    def note_use(self) -> None:
        self._uses += 1
        self.stay()

    def stay(self) -> None:
        """Be the last that is forgotten."""
        self._memory.note_use(self)

    @property
    def planned(self) -> bool:
        """Return whether plans are made: the second use has begun."""
        return self._uses > 1 and self._facts.plans

    @cached_property
    def event_plan(self) -> EventPlan | None:
        """The plan for the events of a subscription, where there is one."""
        name, details = next(iter(self.root.items()))
        field = self._root_type.fields.get(details[0].node.name.value)
        if field is None:
            return None
        plan = self._write_value_plan(get_nullable_type(field.type), details)
        return EventPlan(f'{{"data":{{{orjson.dumps(name).decode()}:', plan) if plan else None

    @cached_property
    def mutation_fields(self) -> tuple[MutationField, ...] | None:
        """The root fields of a mutation, in order; None where graphql-core has to execute it."""
        if not has_calls(self._facts, self._root_type, self.root):
            return None
        fragments = {name: each.definition for name, each in self._fragments.items()}
        of_operation = (fragments, None, self._node)
        self._grow(BYTES_PER_PLAN * len(self.root))
        return tuple(
            MutationField(
                self._facts,
                self._root_type,
                name,
                details,
                self._root_plan(details),
                of_operation,
            )
            for name, details in self.root.items()
        )

    def _root_plan(self, details: FieldDetailsList) -> Plan | None:
        type_ = self._root_type.fields[details[0].node.name.value].type
        return self.value_plan(get_nullable_type(type_), details)

    def collect(self, type_: GraphQLObjectType, details: FieldDetailsList) -> CollectedFields:
        """Return what the field selects below an object of the type."""
        key = (type_.name, id(details))
        collected = self._collected.get(key)
        if collected is None:
            collected = self._collected[key] = collect_subfields(
                self._facts.schema, self._fragments, self._switches, self._node, type_, details
            )
            self._grow(_bytes_of(collected.grouped_field_set))
        return collected

    def value_plan(self, type_: GraphQLOutputType, details: FieldDetailsList) -> Plan | None:
        """Return the plan for a list or an object, null excluded; None where there is none."""
        if not self.planned or isinstance(type_, GraphQLNonNull):
            return None
        key = (id(type_), id(details))
        if key not in self._values:
            self._values[key] = self._write_value_plan(type_, details)
        return self._values[key]

    def field_plans(self, type_: GraphQLObjectType, grouped: GroupedFieldSet) -> list[PlannedField]:
        """Every field of the selection set, with a plan where one can be made."""
        fields = self._fields.get(id(grouped))
        if fields is None:
            fields = self._fields[id(grouped)] = [
                (name, details, self._write_field_plan(type_, details))
                for name, details in grouped.items()
            ]
        return fields

    def describes(self, type_: GraphQLObjectType, source: Any) -> bool:
        """Return True if plans may read the source as an object of the type."""
        return source.__class__ in self._facts.classes.get(type_.name, ())

    def _note_plan(self, characters: int) -> None:
        """Count a plan of this length.

        Raises:
            Unplannable: there are plans enough.
        """
        if self.bytes > MAX_PLANNED_BYTES:
            raise Unplannable
        self._grow(BYTES_PER_PLAN + BYTES_PER_CHARACTER * characters)

    def _grow(self, by: int) -> None:
        self.bytes += by
        self._memory.note_growth(self, by)

    def _write_value_plan(self, type_: GraphQLOutputType, details: FieldDetailsList) -> Plan | None:
        if is_leaf_type(type_):
            return None
        try:
            return self._planner.value_plan(GraphQLNonNull(type_), details)  # type: ignore[arg-type]
        except Unplannable:
            return None

    def _write_field_plan(self, type_: GraphQLObjectType, details: FieldDetailsList) -> Plan | None:
        try:
            return self._planner.field_plan(type_, details)
        except Unplannable:
            return None


def _bytes_of(grouped: GroupedFieldSet) -> int:
    return BYTES_PER_FIELD * (1 + sum(map(len, grouped.values())))
