"""The deadline of an operation, the same over HTTP and websockets.

A query is cancelled at the deadline, and so is the beginning of a subscription. A mutation runs on
(parley/transport/mutations.py); only the answer does not wait for it.
"""

from collections.abc import Awaitable, Mapping
from typing import Any, cast

from models.deadlines import within
from models.refusals import Refused, unavailable
from parley.engine.answers import Answer
from parley.engine.engine import Engine
from parley.engine.operation import Operation
from parley.transport.subscription import Followed


async def answer_query(running: Awaitable[Answer], deadline_s: float) -> Answer:
    """Return the answer of a query; cancel it when it is not there in time.

    Raises:
        Refused: UNAVAILABLE at the deadline.
    """
    try:
        return await within(running, deadline_s)
    except TimeoutError:
        raise unavailable("The answer takes too long; ask for less.") from None


def late_mutation() -> Refused:
    """Return what a client is told whose mutation has not ended at the deadline."""
    return unavailable("The answer takes too long; what was asked may still be done.")


async def begin_subscription(
    engine: Engine,
    operation: Operation,
    variables: Mapping[str, Any] | None,
    context: Any,
    deadline_s: float,
) -> Followed:
    """Return the source of a subscription's events.

    Raises:
        Refused: UNAVAILABLE at the deadline.
        OperationRefused: the variables are not right, or the resolver raised.
    """
    try:
        source = await within(engine.subscribe(operation, variables, context), deadline_s)
    except TimeoutError:
        raise unavailable() from None
    return cast(Followed, source)
