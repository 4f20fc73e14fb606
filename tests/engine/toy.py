"""A schema with one of everything that the engine deals with, over structs that tests fill."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import msgspec
import strawberry

from models.limits.limits import Limits
from models.refusals import not_found
from models.unloaded import UNLOADED
from parley.engine.engine import Engine
from schema.scalars import PhoneNumber, make_schema_config
from schema.sources import describes


class Mood(Enum):
    GLAD = "glad"
    SAD = "sad"


class Author(msgspec.Struct):
    """`Any`, because tests put there what a plan must not take."""

    key: Any = "a1"
    name: Any = "Ada"
    age: Any = 36
    rating: Any = 4.5
    active: Any = True
    born: Any = None
    mood: Any = Mood.GLAD
    moods: Any = ()
    books: Any = ()
    friend: Any = None


class Book(msgspec.Struct):
    key: Any = "b1"
    title: Any = "Notes"
    pages: Any = 100
    tags: Any = ()
    grid: Any = ()
    author: Any = None
    sequel: Any = UNLOADED


class Film(msgspec.Struct):
    key: Any = "f1"
    title: Any = "Reel"
    minutes: Any = 90
    author: Any = None


@dataclass
class Context:
    """What root fields answer with, and how often resolvers ran."""

    value: Any = None
    sequel: Any = None
    before_save: Awaitable[Any] | None = None
    calls: list[str] = field(default_factory=list)
    refused: bool = False

    def spend(self, budget: str, amount: int = 1) -> None:
        """Everybody may do everything here."""


def _id_of(source: Any) -> str:
    assert isinstance(source.key, str)
    return "x_" + source.key


SHARED = {"shared": True}


@strawberry.interface
class Node:
    id: strawberry.ID


@strawberry.interface
class Item(Node):
    title: str | None
    author: Annotated["AuthorType", strawberry.lazy("tests.engine.toy")] | None


def _id_field() -> Any:
    def resolve(root: strawberry.Parent[Any]) -> strawberry.ID:
        return strawberry.ID(_id_of(root))

    return strawberry.field(resolver=resolve, metadata={"plan": _id_of, "shared": True})


@describes(Author)
@strawberry.type(name="Author")
class AuthorType(Node):
    id: strawberry.ID = _id_field()
    name: str = strawberry.field(metadata=SHARED)
    age: int | None = strawberry.field(metadata=SHARED)
    rating: float | None
    active: bool
    born: datetime | None
    mood: Mood | None
    moods: list[Mood]
    books: list["BookType | None"] | None
    friend: "AuthorType | None"

    @strawberry.field
    def greeting(root: strawberry.Parent[Author], word: str = "Hello", times: int = 1) -> str:
        return ", ".join([word] * times)

    @strawberry.field
    async def slow_friend(root: strawberry.Parent[Author]) -> "AuthorType | None":
        await asyncio.sleep(0)
        return root.friend  # type: ignore[no-any-return]

    @strawberry.field
    def broken(self) -> str | None:
        raise RuntimeError("a secret")

    @strawberry.field
    async def broken_later(self) -> str:
        await asyncio.sleep(0)
        raise not_found("There is no such thing.", "key")


@describes(Book)
@strawberry.type(name="Book")
class BookType(Item):
    id: strawberry.ID = _id_field()
    title: str | None = strawberry.field(metadata=SHARED)
    pages: int = strawberry.field(metadata=SHARED)
    tags: list[str | None]
    grid: list[list[int]] | None
    author: AuthorType | None = strawberry.field(metadata=SHARED)

    @strawberry.field(metadata={"plan": "sequel", "shared": "outermost"})
    async def sequel(
        root: strawberry.Parent[Book], info: strawberry.Info[Context, None]
    ) -> "BookType | None":
        if root.sequel is not UNLOADED:
            return root.sequel  # type: ignore[no-any-return]
        info.context.calls.append("sequel")
        await asyncio.sleep(0)
        return info.context.sequel  # type: ignore[no-any-return]


@describes(Film)
@strawberry.type(name="Film")
class FilmType(Item):
    id: strawberry.ID = _id_field()
    title: str | None = strawberry.field(metadata=SHARED)
    minutes: int = strawberry.field(metadata=SHARED)
    author: AuthorType | None


Thing = Annotated[AuthorType | BookType | FilmType, strawberry.union("Thing")]


@strawberry.type
class Saved:
    book: BookType
    again: bool


@strawberry.type
class Refusal:
    code: str
    reason: str


SaveResult = Annotated[Saved | Refusal, strawberry.union("SaveResult")]


@strawberry.type
class BookPage:
    nodes: list[BookType]
    total: int


@strawberry.input
class SaveInput:
    title: str
    tags: list[str] | None = None
    phone_number: PhoneNumber | None = None
    at: datetime | None = None


@strawberry.input(one_of=True)
class Choice:
    title: strawberry.Maybe[str]
    pages: strawberry.Maybe[int]


@strawberry.input
class Part:
    name: str
    size: int = 1
    mood: Mood = Mood.GLAD
    part: "Part | None" = None


@strawberry.input
class Everything:
    part: Part
    parts: list[Part] | None = strawberry.UNSET
    moods: list[Mood] | None = None
    names: list[str] = strawberry.field(default_factory=lambda: ["a"])
    note: strawberry.Maybe[str]
    cleared: strawberry.Maybe[str | None]
    at: datetime | None = None


def _value(info: strawberry.Info[Context, None]) -> Any:
    if isinstance(info.context.value, Exception):
        raise info.context.value
    return info.context.value


@strawberry.type
class Query:
    @strawberry.field
    def author(self, info: strawberry.Info[Context, None]) -> AuthorType:
        return _value(info)  # type: ignore[no-any-return]

    @strawberry.field
    def book(self, info: strawberry.Info[Context, None]) -> BookType | None:
        return _value(info)  # type: ignore[no-any-return]

    @strawberry.field
    async def item(self, info: strawberry.Info[Context, None]) -> Item | None:
        await asyncio.sleep(0)
        return _value(info)  # type: ignore[no-any-return]

    @strawberry.field
    def things(self, info: strawberry.Info[Context, None]) -> list[Thing | None] | None:
        return _value(info)  # type: ignore[no-any-return]

    @strawberry.field
    async def items(self, info: strawberry.Info[Context, None]) -> list[Item]:
        return _value(info)  # type: ignore[no-any-return]

    @strawberry.field
    def books(
        self,
        info: strawberry.Info[Context, None],
        first: int | None = None,
        last: int | None = None,
    ) -> BookPage:
        return BookPage(nodes=_value(info), total=0)

    @strawberry.field
    def nodes(self, info: strawberry.Info[Context, None], ids: list[strawberry.ID]) -> list[Node]:
        return _value(info)  # type: ignore[no-any-return]

    @strawberry.field
    def echo(self, text: str, phone: PhoneNumber | None = None) -> str:
        return text

    @strawberry.field
    def choose(self, choice: Choice) -> str:
        return "title" if choice.title else "pages"

    @strawberry.field
    def describe(
        self,
        everything: Everything | None = None,
        word: str = "x",
        choice: Choice | None = None,
        count: int | None = strawberry.UNSET,
        grid: list[list[int | None]] | None = None,
    ) -> str:
        """Return what arrived, in Python's words."""
        return repr((everything, word, choice, count, grid))

    @strawberry.field
    def version(self) -> str:
        return "1"


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def save(self, info: strawberry.Info[Context, None], input: SaveInput) -> SaveResult:
        if info.context.before_save is not None:
            await info.context.before_save
        info.context.calls.append(input.title)
        if not input.title:
            return Refusal(code="INVALID_INPUT", reason="A book needs a title.")
        book = Book(title=input.title, tags=input.tags or [], author=Author())
        return Saved(book=book, again=False)  # type: ignore[arg-type]

    @strawberry.mutation
    def sign_in(self) -> str:
        return "token"

    @strawberry.mutation
    async def put_thing(
        self,
        info: strawberry.Info[Context, None],
        word: str = "Hello",
        times: int | None = strawberry.UNSET,
    ) -> Thing | None:
        info.context.calls.append(repr((word, times)))
        await asyncio.sleep(0)
        return _value(info)  # type: ignore[no-any-return]

    @strawberry.mutation
    async def put_book(self, info: strawberry.Info[Context, None], times: int = 1) -> BookType:
        info.context.calls.append(repr(times))
        await asyncio.sleep(0)
        return _value(info)  # type: ignore[no-any-return]

    @strawberry.mutation
    def put_author(self, info: strawberry.Info[Context, None]) -> AuthorType | None:
        info.context.calls.append("author")
        return _value(info)  # type: ignore[no-any-return]


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def thing_added(
        self, info: strawberry.Info[Context, None], after: int | None = None
    ) -> AsyncIterator[Thing]:
        return _value(info)  # type: ignore[no-any-return]

    @strawberry.subscription
    async def book_added(self, info: strawberry.Info[Context, None]) -> AsyncIterator[BookType]:
        return _value(info)  # type: ignore[no-any-return]


def make_schema() -> strawberry.Schema:
    return strawberry.Schema(
        query=Query, mutation=Mutation, subscription=Subscription, config=make_schema_config()
    )


PUBLIC = frozenset({"version", "signIn"})


def make_engine(
    limits: Limits | None = None, *, development: bool = False, **bounds: Any
) -> Engine:
    return Engine(
        make_schema(),
        limits=limits or Limits(),
        public_fields=PUBLIC,
        development=development,
        **bounds,
    )
