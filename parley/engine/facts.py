"""Facts: what the schema code says of its types: how fields are read, what is shared, how long
lists are.

Field marks, in `strawberry.field(metadata={...})`:
- `plan`: an attribute's name, or a function of the source alone; a plan uses it instead of the
  resolver, with the same value. `UNLOADED` there means: ask the resolver.
- `shared`: True, or "outermost" (not below another field that says "outermost", such as
  `Message.replyTo`), or the names of the fields that alone may be selected below it.
- `list_size`: how many objects a list without paging arguments counts for in the cost.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any, Literal

import strawberry
from graphql import (
    GraphQLAbstractType,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    is_abstract_type,
)
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from parley.engine.calls import Call, CallMaker
from parley.engine.coercion import Coercers
from schema.sources import sources_of

Shared = bool | Literal["outermost"] | frozenset[str]

_BACKREF = "strawberry-definition"


@dataclass(frozen=True, slots=True)
class Reader:
    """How a plan reads a field: an attribute, or a function of the source."""

    attribute: str | None = None
    function: Callable[[Any], Any] | None = None


class SchemaFacts:
    """The facts of one schema, by type name and field name.

    Raises:
        TypeError: a mark that could not hold what it promises.
    """

    def __init__(self, schema: strawberry.Schema, *, plans: bool = True) -> None:
        self.schema: GraphQLSchema = schema._schema
        # Whether anything is done in another way than graphql-core's.
        self.plans = plans
        self.coercers = Coercers(generated=plans)
        self.readers: dict[tuple[str, str], Reader] = {}
        self.calls: dict[tuple[str, str], Call] = {}
        self.shared: dict[tuple[str, str], Shared] = {}
        self.list_sizes: dict[tuple[str, str], int] = {}
        # The classes whose objects are plainly of a type, and back.
        self.classes: dict[str, tuple[type, ...]] = {}
        self._types_by_class: dict[type, list[GraphQLObjectType]] = {}
        self._call_maker = CallMaker(schema)
        self._plain_attributes = schema.config.default_resolver is getattr
        for type_, definition in self._object_types():
            self._note_classes(type_, definition)
            for name, field in type_.fields.items():
                self._note_field((type_.name, name), field)
        self._require_unambiguous_classes()

    def find_type(self, source: type, abstract: GraphQLAbstractType) -> GraphQLObjectType | None:
        """Return the object type, of those of the interface or union, that describes the class."""
        possible = self.schema.get_possible_types(abstract)
        for type_ in self._types_by_class.get(source, ()):
            if type_ in possible:
                return type_
        return None

    def is_of(self, source: type, names: Collection[str]) -> bool:
        """Return True if objects of the class have one of the object types, and no other."""
        types = self._types_by_class.get(source, ())
        return bool(types) and all(type_.name in names for type_ in types)

    def _object_types(self) -> Iterator[tuple[GraphQLObjectType, StrawberryObjectDefinition]]:
        for type_ in self.schema.type_map.values():
            definition = type_.extensions.get(_BACKREF)
            if isinstance(type_, GraphQLObjectType) and isinstance(
                definition, StrawberryObjectDefinition
            ):
                yield type_, definition

    def _note_classes(
        self, type_: GraphQLObjectType, definition: StrawberryObjectDefinition
    ) -> None:
        sources = sources_of(definition.origin)
        if sources is None and definition.is_type_of is not None:
            return  # It decides by itself, value by value.
        own = (definition.origin, *(sources or ()))
        for source in own:
            self._types_by_class.setdefault(source, []).append(type_)
        # Objects of a generic class say nothing of their type arguments, but where only one type
        # can be, they pass.
        generic = (definition.concrete_of.origin,) if definition.concrete_of else ()
        self.classes[type_.name] = (*own, *generic)

    def _note_field(self, key: tuple[str, str], graphql_field: GraphQLField) -> None:
        field = graphql_field.extensions.get(_BACKREF)
        if not isinstance(field, StrawberryField):
            return
        metadata = field.metadata
        call = self._call_maker.find_call(field) if self.plans else None
        if call is not None:
            self.calls[key] = call
        if "shared" in metadata:
            self.shared[key] = metadata["shared"]
        if "list_size" in metadata:
            self.list_sizes[key] = metadata["list_size"]
        if "plan" in metadata:
            self.readers[key] = self._marked_reader(key, graphql_field, field)
        elif field.is_basic_field and not graphql_field.args and self._plain_attributes:
            self.readers[key] = Reader(attribute=field.python_name)

    def _marked_reader(
        self, key: tuple[str, str], graphql_field: GraphQLField, field: StrawberryField
    ) -> Reader:
        name = ".".join(key)
        if graphql_field.args or field.extensions:
            raise TypeError(f"{name} has arguments or extensions, which a plan would pass by.")
        mark = field.metadata["plan"]
        if callable(mark):
            return Reader(function=mark)
        if not isinstance(mark, str) or not mark.isidentifier() or iskeyword(mark):
            raise TypeError(f"{name}: a plan is the name of an attribute, or a function.")
        return Reader(attribute=mark)

    def _require_unambiguous_classes(self) -> None:
        for abstract in self.schema.type_map.values():
            if not is_abstract_type(abstract):
                continue
            possible = self.schema.get_possible_types(abstract)
            for source, types in self._types_by_class.items():
                found = [type_.name for type_ in types if type_ in possible]
                if len(found) > 1:
                    names = " and ".join(found)
                    raise TypeError(f"{source.__name__}, {abstract.name}: is it {names}?")
