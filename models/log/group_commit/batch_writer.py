"""The contract between a group commit and what it writes: one writer for each kind of item."""

from collections.abc import Hashable, Sequence
from enum import Enum
from typing import Protocol, TypeVar

from models.postgresql.database import Connection
from models.refusals import Refused

ItemIn = TypeVar("ItemIn", contravariant=True)
Result = TypeVar("Result")

# How long one statement of a batch may take.
WRITE_WITHIN_S = 2


class Busy(Enum):
    """The answer to an item whose row somebody else holds."""

    BUSY = "busy"


class BatchWriter(Protocol[ItemIn, Result]):
    """Knows one kind of item: how to write a batch of it, and how items that are the same share one
    write.
    """

    def lane(self, item: ItemIn) -> Hashable:
        """Return the key by which the rows of this item are distributed."""

    def lock_key(self, item: ItemIn) -> Hashable:
        """Return the row that writing this item locks."""

    def identity(self, item: ItemIn) -> Hashable:
        """Return what makes two items the same. Of these, a batch writes the first, the leader; the
        later ones follow it.
        """

    def absorb(self, leader: ItemIn, follower: ItemIn) -> None:
        """Let the leader also do what the follower asks, where one write can do both."""

    def follow(self, leader: ItemIn, result: Result, follower: ItemIn) -> Result | Refused | None:
        """Return the follower's answer when the leader got `result`; None to write it by itself."""

    def weight(self, item: ItemIn) -> int:
        """Return roughly how many recipients the item has."""

    def note_again(self, item: ItemIn) -> None:
        """Note that the item is written again although it may be stored: the answer was lost."""

    async def write(
        self, connection: Connection, items: Sequence[ItemIn], *, wait: bool
    ) -> Sequence[Result | Refused | Busy]:
        """Write all in one transaction, and return the answers in the order of the items. Where
        `wait` is false, an item whose row somebody else holds is not waited for: it is BUSY.
        """
