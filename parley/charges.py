"""What every operation takes from budgets, besides what its mutations take for themselves."""

from parley.engine.documents import Operation
from schema.context import Context

# What the least operation costs: answering one takes as long as some hundred fields do.
LEAST_COST = 100


def charge(operation: Operation, cost: int, context: Context) -> None:
    """Take the operation's cost from the viewer's, or their address's, bucket of reads.

    A mutation is bounded by a budget of its own (schema/budgets.py), so that nobody who reads too
    much is kept from sending; of its cost only what is above the least is taken.

    Raises:
        Refused: RATE_LIMITED.
    """
    if operation.kind == "mutation":
        cost -= LEAST_COST
        if cost <= 0:
            return
    if operation.kind == "subscription":
        context.spend("streams_per_user")
    by_address = context.viewer is None or operation.public
    budget = "read_cost_per_address" if by_address else "read_cost_per_user"
    context.spend(budget, max(cost, LEAST_COST))
