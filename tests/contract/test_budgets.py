"""Every operation is bounded by a budget: a new mutation without one fails here."""

from typing import Any

import pytest

from models.limits.limits import Limits, list_budgets
from parley.schema import make_schema
from parley.settings import DEVELOPMENT_LIMITS
from schema.budgets import budgets_of

# Mutations that take from no token bucket, each with the reason. Every other one says above its
# resolver which it takes from: `@spends("sends_per_user")`.
UNBOUNDED: dict[str, str] = {}


def mutations() -> dict[str, tuple[str, ...]]:
    """Every mutation, with the budgets that it takes from."""
    type_ = make_schema()._schema.mutation_type
    assert type_ is not None
    return {name: budgets_of(_resolver_of(field)) for name, field in type_.fields.items()}


def _resolver_of(field: Any) -> Any:
    return field.extensions["strawberry-definition"].base_resolver.wrapped_func


def test_every_mutation_takes_from_a_budget() -> None:
    unbounded = {name for name, budgets in mutations().items() if not budgets}

    assert unbounded == set(UNBOUNDED)


def test_what_mutations_take_from_are_budgets() -> None:
    assert {each for budgets in mutations().values() for each in budgets} <= set(
        list_budgets(Limits())
    )


@pytest.mark.parametrize("name", sorted({each for all_ in mutations().values() for each in all_}))
def test_development_raises_the_ceiling_and_leaves_the_bucket_on(name: str) -> None:
    """A bench or a developer meets none of them."""
    ours, raised = getattr(Limits(), name), getattr(DEVELOPMENT_LIMITS, name)

    assert raised.amount / raised.window_s >= 1000 * ours.amount / ours.window_s
