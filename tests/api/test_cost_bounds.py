"""The cost of a document bounds its answer: documents made by chance from the schema, with aliases,
fragments, pages within pages and what stands twice, never hold more objects than they were charged.
"""

from random import Random
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLUnionType,
    get_named_type,
    is_composite_type,
    is_required_argument,
)

from models.limits.limits import Limits
from parley.engine.engine import Engine
from parley.engine.errors import OperationRefused
from parley.schema import PUBLIC_FIELDS, make_schema
from tests.groups import make_group
from tests.make import Person

DEPTH = 7
DOCUMENTS = 120
LONGEST = 2000
# Every document is below the limits but for its cost, which the test looks at itself.
ENGINE = Engine(
    make_schema(),
    limits=Limits(query_cost=10**9, query_aliases=10**6, query_tokens=10**6),
    public_fields=PUBLIC_FIELDS,
)
SCHEMA = make_schema()._schema


class Writer:
    """Writes one document."""

    def __init__(self, seed: int, ids: list[str]) -> None:
        self.random = Random(seed)
        self._ids = ids
        self._fragments: dict[str, str] = {}
        self._names = 0

    def document(self) -> str:
        assert SCHEMA.query_type is not None
        body = self._selection(SCHEMA.query_type, DEPTH)
        return " ".join([body, *self._fragments.values()])

    def _selection(self, type_: Any, depth: int) -> str:
        pieces = [self._piece(type_, depth) for _ in range(self.random.randint(1, 3))]
        return "{ __typename " + " ".join(pieces) + " }"

    def _piece(self, type_: Any, depth: int) -> str:
        if isinstance(type_, GraphQLUnionType) or self.random.random() < 0.1:
            return self._inline(type_, depth)
        if self.random.random() < 0.15:
            return self._spread(type_, depth)
        fields = [
            (name, field)
            for name, field in type_.fields.items()
            if depth > 1 or not is_composite_type(get_named_type(field.type))
        ]
        if not fields:
            return "__typename"
        # Pages, lists and objects rather than leaves.
        deep = [each for each in fields if is_composite_type(get_named_type(each[1].type))]
        deep = [each for each in deep if "first" in each[1].args or each[0] == "nodes"] or deep
        name, field = self.random.choice(deep if deep and self.random.random() < 0.6 else fields)
        return self._field(name, field, depth)

    def _field(self, name: str, field: GraphQLField, depth: int) -> str:
        self._names += 1
        given = {
            argument: text
            for argument, each in field.args.items()
            if (text := self._value(argument, each, required=is_required_argument(each)))
        }
        # Fields that merge have to have the same arguments; so others get a name.
        alias = f"a{self._names}: " if given or self.random.random() < 0.5 else ""
        arguments = ", ".join(f"{argument}: {text}" for argument, text in given.items())
        text = alias + name + (f"({arguments})" if arguments else "")
        named = get_named_type(field.type)
        return f"{text} {self._selection(named, depth - 1)}" if is_composite_type(named) else text

    def _value(self, name: str, argument: Any, *, required: bool) -> str | None:
        if name in ("first", "last"):
            return str(self.random.choice([1, 2, 10, 10])) if name == "first" else None
        if not required:
            return None
        type_ = argument.type.of_type if isinstance(argument.type, GraphQLNonNull) else None
        named = get_named_type(argument.type)
        if isinstance(named, GraphQLEnumType):
            return str(next(iter(named.values)))
        one = f'"{self.random.choice(self._ids)}"' if named.name == "ID" else '"said"'
        return one if type_ is named else f"[{', '.join([one] * 3)}]"

    def _inline(self, type_: Any, depth: int) -> str:
        inner = self._possible(type_)
        return f"... on {inner.name} {self._selection(inner, depth)}"

    def _possible(self, type_: Any) -> Any:
        if isinstance(type_, GraphQLUnionType | GraphQLInterfaceType):
            return self.random.choice(SCHEMA.get_possible_types(type_))
        return type_

    def _spread(self, type_: Any, depth: int) -> str:
        """Spread a fragment, one that is there already where there is one of this depth."""
        name = f"F{type_.name}{depth}"
        if name not in self._fragments:
            self._fragments[name] = ""
            text = self._selection(type_, depth - 1) if depth > 1 else "{ __typename }"
            self._fragments[name] = f"fragment {name} on {type_.name} {text}"
        return f"...{name}"


def count_objects(value: Any) -> int:
    if isinstance(value, list):
        return sum(count_objects(each) for each in value)
    if not isinstance(value, dict):
        return 0
    return 1 + sum(count_objects(each) for each in value.values())


def cost_of(document: str) -> int | None:
    """Return what the document is charged; None for one that is not valid."""
    try:
        return ENGINE.prepare(document, None).cost.total({})
    except OperationRefused:
        return None


async def make_world(alice: Person, bob: Person, carol: Person) -> list[str]:
    chat, group = await alice.open_chat(bob), await make_group(alice, bob, carol)
    for channel in (chat, group):
        for number in range(12):
            said = await (alice, bob)[number % 2].say(channel, f"said {number}")
    return [chat, group, group, said["id"], bob.id]


async def test_no_answer_holds_more_than_its_document_was_charged(
    alice: Person, bob: Person, carol: Person
) -> None:
    ids = await make_world(alice, bob, carol)
    answered = most = 0
    for seed in range(DOCUMENTS):
        document = Writer(seed, ids).document()
        cost = cost_of(document) if len(document) < LONGEST else None
        if cost is None:
            continue
        answer = (await alice.post(document)).json()
        if answer.get("data") is None:
            continue
        # The root is no object of the answer.
        objects = count_objects(answer["data"]) - 1
        assert objects <= cost, (seed, objects, cost, document)
        answered, most = answered + 1, max(most, objects)

    assert (answered > DOCUMENTS // 6, most > 50) == (True, True), (answered, most)
