"""Prints the reference of the schema: Markdown pages, one for each kind of type, for the site."""

from collections.abc import Iterable, Iterator, Mapping

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_introspection_type,
    is_specified_scalar_type,
)

ROOTS = {"Query": "queries", "Mutation": "mutations", "Subscription": "subscriptions"}
KINDS: Mapping[type[GraphQLNamedType], tuple[str, str]] = {
    GraphQLObjectType: ("objects", "Objects"),
    GraphQLInterfaceType: ("interfaces", "Interfaces"),
    GraphQLUnionType: ("unions", "Unions"),
    GraphQLInputObjectType: ("inputs", "Inputs"),
    GraphQLEnumType: ("enums", "Enums"),
    GraphQLScalarType: ("scalars", "Scalars"),
}
HEAD = """# Schema reference

Every type, field and argument of [schema.graphql](../schema.graphql), printed from it. A type's
name leads to its description. `!` after a type: it is never null.

"""


def print_reference(schema: GraphQLSchema) -> dict[str, str]:
    """Return the pages by their names, without `.md`; `index` lists the others."""
    pages = {
        page: _print_root(schema, root) for root, page in ROOTS.items() if root in schema.type_map
    }
    for kind, (page, title) in KINDS.items():
        types = [type_ for type_ in _types(schema) if isinstance(type_, kind)]
        pages[page] = _join([f"# {title}", *(_print_type(schema, type_) for type_ in types)])
    return {"index": HEAD + _toctree(pages), **pages}


def _toctree(pages: Iterable[str]) -> str:
    return "\n".join(["```{toctree}", ":maxdepth: 2", "", *pages, "```", ""])


def _types(schema: GraphQLSchema) -> Iterator[GraphQLNamedType]:
    """Yield the schema's own types by name, without the roots."""
    for name, type_ in sorted(schema.type_map.items()):
        if not (is_introspection_type(type_) or name in ROOTS or _is_plain(type_)):
            yield type_


def _is_plain(type_: GraphQLNamedType) -> bool:
    """Tell whether GraphQL itself describes the type: String, Int, Float, Boolean and ID."""
    return is_specified_scalar_type(type_)


def _print_root(schema: GraphQLSchema, name: str) -> str:
    root = schema.type_map[name]
    assert isinstance(root, GraphQLObjectType)
    parts = [f"# {ROOTS[name].capitalize()}", root.description or ""]
    for field_name, field in sorted(root.fields.items()):
        parts += [
            f"## {field_name}",
            f"Gives {_reference(field.type)}.",
            *_describe(field),
            _list_arguments(field),
        ]
    return _join(parts)


def _print_type(schema: GraphQLSchema, type_: GraphQLNamedType) -> str:
    return _join(
        [f"(type-{type_.name})=\n## {type_.name}", type_.description or "", *_body(schema, type_)]
    )


def _body(schema: GraphQLSchema, type_: GraphQLNamedType) -> Iterator[str]:
    match type_:
        case GraphQLUnionType():
            yield f"One of {_references(type_.types)}."
        case GraphQLEnumType():
            yield _list({name: ("", value) for name, value in type_.values.items()})
        case GraphQLInputObjectType():
            if type_.is_one_of:
                yield "Exactly one of its fields is given."
            yield _list(_typed(type_.fields))
        case GraphQLInterfaceType():
            yield f"Implemented by {_references(schema.get_implementations(type_).objects)}."
            yield _list_fields(type_.fields)
        case GraphQLObjectType():
            if type_.interfaces:
                yield f"Implements {_references(type_.interfaces)}."
            yield _list_fields(type_.fields)


def _list_fields(fields: Mapping[str, GraphQLField]) -> str:
    items = []
    for name, field in fields.items():
        items.append(_item(name, _reference(field.type), field))
        arguments = _list_arguments(field)
        if arguments:
            items.append(_indent(arguments))
    return "\n".join(items)


def _list_arguments(field: GraphQLField) -> str:
    return _list(_typed(field.args))


def _typed(
    parts: Mapping[str, GraphQLArgument] | Mapping[str, GraphQLInputField],
) -> dict[str, tuple[str, GraphQLArgument | GraphQLInputField]]:
    return {name: (_reference(part.type), part) for name, part in parts.items()}


def _list(parts: Mapping[str, tuple[str, object]]) -> str:
    return "\n".join(_item(name, type_, part) for name, (type_, part) in parts.items())


def _item(name: str, type_: str, part: object) -> str:
    about = " ".join(_describe(part))
    return f"- `{name}` {type_}".rstrip() + (f": {about}" if about else "")


def _describe(part: object) -> Iterator[str]:
    description = getattr(part, "description", None)
    if description:
        yield " ".join(description.split())
    reason = getattr(part, "deprecation_reason", None)
    if reason is not None:
        yield f"**Deprecated:** {reason}"


def _references(types: Iterable[GraphQLNamedType]) -> str:
    return ", ".join(_reference(type_) for type_ in types)


def _reference(type_: object) -> str:
    """Return a type as it is written, such as `[Message!]!`, with a link to its description."""
    named = get_named_type(type_)  # type: ignore[call-overload]
    if _is_plain(named):
        return f"`{type_}`"
    return f"[`{type_}`](#type-{named.name})"


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))


def _join(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"
