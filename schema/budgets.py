"""Budgets of mutations: which bucket a mutation takes from, said where the mutation is defined."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar

from schema.context import context_of

Params = ParamSpec("Params")
Answer = TypeVar("Answer")
Resolver = Callable[Params, Awaitable[Answer]]


def spends(
    budget: str, amount: Callable[[Any], int] | None = None, *, of: str = ""
) -> Callable[[Resolver[Params, Answer]], Resolver[Params, Answer]]:
    """Decorate a resolver of a mutation, below `answers_refusals`: take from a budget, a field of
    `Limits`, before anything is done. Each aliased mutation takes for itself, whatever comes of it.

    Without `amount` it takes one; else `amount` of the argument named `of`, at least one.
    """

    def decorate(resolver: Resolver[Params, Answer]) -> Resolver[Params, Answer]:
        @functools.wraps(resolver)
        def spend(*args: Params.args, **kwargs: Params.kwargs) -> Awaitable[Answer]:
            count = 1 if amount is None else max(1, amount(kwargs[of]))
            context_of(kwargs["info"]).spend(budget, count)
            return resolver(*args, **kwargs)

        spend.__dict__["budgets"] = (budget, *budgets_of(resolver))
        return spend

    return decorate


def budgets_of(resolver: Any) -> tuple[str, ...]:
    """Return the budgets that a resolver takes from."""
    budgets: tuple[str, ...] = getattr(resolver, "budgets", ())
    return budgets
