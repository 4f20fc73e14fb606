"""Floods of requests, for tests of budgets."""

from dataclasses import dataclass, field, replace
from typing import Any

from models.limits.buckets import BLOCKS
from models.limits.limits import Budget, Limits, list_budgets
from tests.client import ApiClient, Json
from tests.make import REFUSAL
from tests.serving import Server
from tests.waiting import eventually

# At most so many mutations in a document.
AT_ONCE = 10


# What a slow machine takes longer for, less comes back meanwhile: no flood is outrun.
SLOWER = 100


BUDGETS: dict[str, Any] = {
    name: replace(budget, window_s=SLOWER * budget.window_s)
    for name, budget in list_budgets(Limits()).items()
}


@dataclass(frozen=True)
class Flood:
    """A mutation that does little and takes from one budget."""

    budget: str
    mutation: str
    # Of one call.
    takes: int = 1
    variables: Json = field(default_factory=dict)
    declared: str = ""


async def at_once(client: ApiClient, flood: Flood) -> list[Json]:
    fields = " ".join(f"a{n}: {flood.mutation} {{ __typename {REFUSAL} }}" for n in range(AT_ONCE))
    declared = f"({flood.declared})" if flood.declared else ""
    data = await client.query(f"mutation {declared} {{ {fields} }}", **flood.variables)
    answers = list(data.values())
    if any(answer.get("code") == "RATE_LIMITED" for answer in answers):
        await refilled(client.server)
    return answers


async def refilled(node: Server) -> None:
    """Wait, after a refusal, for the block that the node has asked for: so no flood outruns it,
    however slow Valkey is.
    """
    buckets: Any = node.app._process.resources.buckets
    await eventually(lambda: not buckets._wanting)


def assert_within(allowed: int, budget: Budget, took_s: float, *, slack: int = 0) -> None:
    """The budget, more or less by a block for each node; and what came back meanwhile."""
    blocks = 2 * (budget.amount // BLOCKS) + slack
    came_back = took_s * budget.amount / budget.window_s
    assert budget.amount - blocks <= allowed <= budget.amount + blocks + came_back + slack
