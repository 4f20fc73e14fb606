"""A pending item of a group commit: what its caller waits for."""

import asyncio
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from models.refusals import Refused

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class Pending(Generic[Item, Result]):
    """An item and the answer to its caller. `deadline` is by the loop's clock; `followers` are
    equal items that take part in the answer; `unanswered` holds it until it is answered.
    """

    item: Item
    answer: "asyncio.Future[Result]"
    deadline: float
    unanswered: "set[Pending[Item, Result]]"
    followers: "list[Pending[Item, Result]]" = field(default_factory=list)

    def resolve(self, result: Result | Refused) -> None:
        """Answer the caller, who may have gone; a refusal is raised."""
        if isinstance(result, Refused):
            self.fail(result)
            return
        self.unanswered.discard(self)
        if not self.answer.done():
            self.answer.set_result(result)

    def fail(self, error: Exception) -> None:
        """Raise the error at the caller, who may have gone."""
        self.unanswered.discard(self)
        if not self.answer.done():
            self.answer.set_exception(error)
