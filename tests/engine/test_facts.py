"""What schema code says of its types is checked when the engine is made."""

from typing import Annotated, Any

import pytest
import strawberry

from models.limits.limits import Limits
from parley.engine.engine import Engine
from schema.sources import describes


class Row:
    pass


@strawberry.interface
class Named:
    name: str


def make_engine(*types: type, query: type | None = None) -> Engine:
    @strawberry.type
    class Nothing:
        nothing: str

    schema = strawberry.Schema(query=query or Nothing, types=types)
    return Engine(schema, limits=Limits(), public_fields=frozenset())


def test_a_class_has_one_type_of_an_interface() -> None:
    @describes(Row)
    @strawberry.type
    class One(Named):
        pass

    @describes(Row)
    @strawberry.type
    class Two(Named):
        pass

    with pytest.raises(TypeError, match="Row, Named: is it One and Two?"):
        make_engine(One, Two)


def test_a_class_may_have_several_types_that_never_meet() -> None:
    @describes(Row)
    @strawberry.type
    class One:
        name: str

    @describes(Row)
    @strawberry.type
    class Two:
        name: str

    make_engine(One, Two)


@pytest.mark.parametrize("mark", ["two words", "class", "a.b", "", 5, None])
def test_a_plan_is_an_attribute_or_a_function(mark: Any) -> None:
    @strawberry.type
    class Query:
        name: str = strawberry.field(metadata={"plan": mark})

    with pytest.raises(TypeError, match="Query.name"):
        make_engine(query=Query)


def test_a_field_with_arguments_has_no_plan() -> None:
    @strawberry.type
    class Query:
        @strawberry.field(metadata={"plan": "name"})
        def name(self, word: Annotated[str, strawberry.argument()]) -> str:
            return word

    with pytest.raises(TypeError, match="Query.name has arguments"):
        make_engine(query=Query)
