"""Charges of every operation to budgets, besides those that its mutations make themselves."""

from parley.engine.operation import Operation
from schema.context import Context

# What the least operation costs: answering one takes as long as some hundred fields do.
LEAST_COST = 100

# What is smaller costs no more to read than a request itself.
LARGE_BODY_BYTES = 16 * 1024

# An answer of this size or more costs by its size, too: lists in it held more than their documents'
# cost takes them to hold.
LARGE_ANSWER_BYTES = 256 * 1024
# An object with its fields takes so much of an answer, or more.
OBJECT_BYTES = 100

# Characters of a document that cost as much as one of another size: see `new_documents_per_user`.
PIECE = 500


def charge_reading(length: int, context: Context) -> None:
    """Take what it costs to read a document that is not kept, of so many characters, from the
    viewer's bucket or, of one who is not signed in, from their address's.

    Raises:
        Refused: RATE_LIMITED.
    """
    by_address = context.viewer is None
    budget = "new_documents_per_address" if by_address else "new_documents_per_user"
    context.spend(budget, 1 + length // PIECE)


def charge_frame(length: int, context: Context) -> None:
    """Take what it costs to read a frame of a websocket, of so many characters.

    Raises:
        Refused: RATE_LIMITED.
    """
    budget = "frames_per_address" if context.viewer is None else "frames_per_user"
    context.spend(budget, 1 + length // 1024)


def charge_body(length: int, context: Context) -> None:
    """Take what it costs to read a large body, of so many bytes.

    Raises:
        Refused: RATE_LIMITED.
    """
    context.spend("body_kilobytes_per_address", length // 1024)


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


def charge_answer(length: int, operation: Operation, context: Context) -> None:
    """Take what a large answer, of so many bytes, has cost: whoever asks for many has to wait."""
    if length < LARGE_ANSWER_BYTES:
        return
    by_address = context.viewer is None or operation.public
    budget = "read_cost_per_address" if by_address else "read_cost_per_user"
    context.owe(budget, length // OBJECT_BYTES)
