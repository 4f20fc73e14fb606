"""Everything in the schema says what it is, for whoever sees nothing but the schema."""

from collections.abc import Iterator

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
    is_introspection_type,
    is_specified_scalar_type,
)

from parley.schema import print_schema

ROOTS = {"Query", "Mutation"}


def described() -> Iterator[tuple[str, str | None]]:
    """Every element of the schema, by its coordinate, with its description."""
    for type_ in build_schema(print_schema()).type_map.values():
        if is_introspection_type(type_) or is_specified_scalar_type(type_):
            continue
        if type_.name not in ROOTS:
            yield type_.name, type_.description
        if isinstance(type_, GraphQLEnumType):
            for name, value in type_.values.items():
                yield f"{type_.name}.{name}", value.description
        elif isinstance(type_, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            yield from _described_fields(type_)


def _described_fields(
    type_: GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType,
) -> Iterator[tuple[str, str | None]]:
    for name, field in type_.fields.items():
        yield f"{type_.name}.{name}", field.description
        for argument_name, argument in getattr(field, "args", {}).items():
            yield f"{type_.name}.{name}({argument_name}:)", argument.description


def test_everything_is_described() -> None:
    assert [name for name, text in described() if not (text or "").strip()] == []


def test_descriptions_are_sentences() -> None:
    """They begin with a capital (or a literal) and end as a sentence does."""
    odd = [
        name
        for name, text in described()
        if text and not (text.rstrip().endswith((".", "…", ":", "`", "?")) or text[-1].isdigit())
    ]

    assert odd == []


def test_there_is_something_to_describe() -> None:
    assert len(list(described())) > 200
