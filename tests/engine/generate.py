"""Documents and values for the toy schema, from a seeded random source: mostly right, often not."""

import asyncio
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from random import Random
from typing import Any
from zlib import crc32

from graphql import (
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_composite_type,
)

from models.unloaded import UNLOADED
from tests.engine.toy import Author, Book, BookType, Film, Mood

ARGUMENTS = {
    ("Author", "greeting"): [
        "",
        '(word: "Hi")',
        "(times: 2)",
        "(word: $word, times: $times)",
        "(times: $times)",
    ],
    ("Query", "books"): ["", "(first: 2)", "(last: $times)"],
    ("Mutation", "putThing"): [
        "",
        '(word: "Hi")',
        "(word: $word, times: $times)",
        "(times: null, word: $word)",
    ],
    ("Mutation", "putBook"): ["", "(times: 3)", "(times: $times)"],
}
MUTATION_FIELDS = ("putThing", "putBook", "putAuthor")
ROOT_FIELDS = ("author", "book", "item", "things", "items", "books")


@dataclass(frozen=True)
class Soon:
    """Something to await, as often as one likes."""

    value: Any

    def __await__(self) -> Generator[Any, None, Any]:
        yield from asyncio.sleep(0).__await__()
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


class DocumentWriter:
    """Writes one valid document: aliases, fragments, directives, conditions on types."""

    def __init__(self, random: Random, schema: GraphQLSchema) -> None:
        self._random = random
        self._schema = schema
        self._fragments: dict[str, str] = {}
        self._variables: set[str] = set()
        self._aliases = 0
        self._directives = 0

    def write_query(self, root_field: str) -> str:
        return self._finish("query", self._field(self._root("Query"), root_field, 5))

    def write_mutation(self, root_fields: Sequence[str]) -> str:
        root = self._root("Mutation")
        fields = [self._field(root, name, 4) for name in root_fields]
        return self._finish("mutation", " ".join(fields))

    def write_subscription(self, root_field: str) -> str:
        return self._finish("subscription", self._field(self._root("Subscription"), root_field, 5))

    def _root(self, name: str) -> GraphQLObjectType:
        type_ = self._schema.type_map[name]
        assert isinstance(type_, GraphQLObjectType)
        return type_

    def _finish(self, kind: str, selection: str) -> str:
        types = {
            "word": 'String! = "Yo"',
            "times": "Int",
            "yes": "Boolean!",
            "no": "Boolean = false",
        }
        declared = ", ".join(f"${name}: {types[name]}" for name in sorted(self._variables))
        fragments = " ".join(self._fragments.values())
        return f"{kind} Q{f'({declared})' if declared else ''} {{ {selection} }} {fragments}"

    def _selection(self, type_: GraphQLNamedType, depth: int) -> str:
        parts = [self._part(type_, depth) for _ in range(self._random.choice((1, 2, 2, 3, 4)))]
        return "{ " + " ".join(parts) + " }"

    def _part(self, type_: GraphQLNamedType, depth: int) -> str:
        chance = self._random.random()
        if chance < 0.12 and depth > 1:
            return self._inline_fragment(type_, depth)
        if chance < 0.2 and depth > 1:
            return self._spread(type_, depth)
        fields = (
            list(type_.fields)
            if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
            else []
        )
        if chance < 0.28 or not fields:
            return self._inline_fragment(type_, depth) if chance > 0.5 else "__typename"
        return self._field(type_, self._random.choice(fields), depth)

    def _field(self, type_: GraphQLNamedType, name: str, depth: int) -> str:
        assert isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
        below = get_named_type(type_.fields[name].type)
        if is_composite_type(below) and depth <= 1:
            return "__typename"
        arguments = self._random.choice(ARGUMENTS.get((type_.name, name), [""]))
        self._variables.update(each for each in ("word", "times") if f"${each}" in arguments)
        alias = ""
        if arguments or (self._random.random() < 0.1 and self._aliases < 8):
            self._aliases += 1
            alias = f"a{crc32((name + arguments).encode())}: "
        selection = self._selection(below, depth - 1) if is_composite_type(below) else ""
        root = type_.name in ("Query", "Subscription", "Mutation")
        return f"{alias}{name}{arguments}{'' if root else self._directive()} {selection}"

    def _directive(self) -> str:
        if self._random.random() > 0.05 or self._directives >= 5:
            return ""
        self._directives += 1
        condition = self._random.choice(("true", "false", "$yes", "$no"))
        if condition == "$no":
            # A nullable variable with a default may stand where null may not.
            self._variables.add("no")
        elif condition == "$yes":
            self._variables.add("yes")
        return f" @{self._random.choice(('skip', 'include'))}(if: {condition})"

    def _inline_fragment(self, type_: GraphQLNamedType, depth: int) -> str:
        narrowed = self._narrow(type_)
        condition = (
            "" if narrowed is type_ and self._random.random() < 0.5 else f" on {narrowed.name}"
        )
        return f"...{condition}{self._directive()} {self._selection(narrowed, depth)}"

    def _spread(self, type_: GraphQLNamedType, depth: int) -> str:
        narrowed = self._narrow(type_)
        name = f"F{len(self._fragments)}"
        self._fragments[name] = ""
        selection = self._selection(narrowed, depth - 1)
        self._fragments[name] = f"fragment {name} on {narrowed.name} {selection}"
        return f"...{name}{self._directive()}"

    def _narrow(self, type_: GraphQLNamedType) -> GraphQLNamedType:
        """Return a type that an object of the type may also be."""
        possible: list[GraphQLNamedType] = [type_]
        if isinstance(type_, GraphQLObjectType):
            possible += type_.interfaces
        else:
            possible += self._schema.get_possible_types(type_)  # type: ignore[arg-type]
        return self._random.choice(possible)


class ValueMaker:
    """Makes sources: each value is right with the given chance."""

    def __init__(self, random: Random, *, right: float) -> None:
        self._random = random
        self._right = right

    def root(self, field: str) -> Any:
        makers = {
            "author": self.author,
            "book": self.book,
            "item": self.item,
            "things": lambda depth: self.list_of(self.thing, depth),
            "items": lambda depth: self.list_of(self.item, depth),
            "books": lambda depth: self.list_of(self.book, depth),
            "thingAdded": self.thing,
            "putThing": self.thing,
            "putBook": self.book,
            "putAuthor": self.author,
            "bookAdded": self.book,
        }
        return makers[field](4)

    def thing(self, depth: int) -> Any:
        return self._random.choice((self.author, self.book, self.film))(depth)

    def item(self, depth: int) -> Any:
        return self._random.choice((self.book, self.film))(depth)

    def list_of(self, make: Any, depth: int) -> Any:
        items = [self._or_wrong(make(depth)) for _ in range(self._random.choice((0, 1, 2, 3)))]
        return self._or_wrong(self._random.choice((list, tuple))(items))

    def author(self, depth: int) -> Any:
        random = self._random
        return self._or_wrong(
            Author(
                key=self._or_wrong("a"),
                name=self._or_wrong("Ada"),
                age=self._or_wrong(random.choice((None, 36))),
                rating=self._or_wrong(random.choice((None, 4.5))),
                active=self._or_wrong(True),
                born=self._or_wrong(random.choice((None, datetime(2026, 1, 31, 12, tzinfo=UTC)))),
                mood=self._or_wrong(random.choice((None, Mood.SAD))),
                moods=self.list_of(lambda _: random.choice(list(Mood)), 0),
                books=self.list_of(self.book, depth - 1) if depth > 0 else None,
                friend=self.author(depth - 1) if depth > 0 and random.random() < 0.6 else None,
            )
        )

    def book(self, depth: int) -> Any:
        random = self._random
        return self._or_wrong(
            Book(
                key=self._or_wrong("b"),
                title=self._or_wrong(random.choice((None, "Notes"))),
                pages=self._or_wrong(100),
                tags=self.list_of(lambda _: random.choice((None, "x")), 0),
                grid=self.list_of(lambda _: self.list_of(lambda _: 1, 0), 0),
                author=self.author(depth - 1) if depth > 0 and random.random() < 0.7 else None,
                sequel=random.choice((UNLOADED, None, self.book(depth - 1)))
                if depth > 0
                else UNLOADED,
            )
        )

    def film(self, depth: int) -> Any:
        author = self.author(depth - 1) if depth > 0 else None
        return self._or_wrong(Film(title=self._or_wrong("Reel"), author=author))

    def _or_wrong(self, value: Any) -> Any:
        if self._random.random() < self._right:
            return value
        return self._random.choice(wrong_values(value))


class Text(str):
    """A string, but not exactly."""


class Number(int):
    """A number, but not exactly."""


class Colour(Enum):
    RED = "glad"


class Stray(Book):
    """Described by no type; but it is a Book."""


def wrong_values(value: Any) -> list[Any]:
    """Return what may stand in the place of the value, and be wrong, or only a little unusual."""
    later = datetime(2026, 1, 31, tzinfo=timezone(timedelta(hours=2)))
    numbers = [0, 1, -1, 2**31, -(2**31), 2.5, 3.0, 1e300, float("nan"), float("inf"), Number(7)]
    leaves = [None, True, False, "", "5", "GLAD", "glad", b"x", Text("text"), later, UNLOADED]
    others = [object, Mood.GLAD, Colour.RED, ValueError("a secret"), datetime(2026, 1, 31)]  # noqa: DTZ001
    soon = [Soon(value), Soon(None), Soon(ValueError("a secret")), Soon(Author())]
    objects = [Author(), Book(), Film(), Stray(), BookType]
    lists = [[], (), [value], (value,), [None], [[value]], [Soon(value)], [Soon(None)]]
    filled = [[Author()], [Book()], (Film(), None), [ValueError("a secret")], [Stray()], ["x", 1]]
    iterables = [{}, {"a"}, {"a": value}, range(2)]
    return [*numbers, *leaves, *others, *soon, *objects, *lists, *filled, *iterables]
