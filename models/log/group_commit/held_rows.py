"""Rows that somebody else holds, and the items of a group commit that wait for them."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import TypeVar

from models.log.group_commit.batch_writer import BatchWriter
from models.log.group_commit.lanes import Lanes
from models.log.group_commit.pending import Pending

Item = TypeVar("Item")
Result = TypeVar("Result")


class HeldRows(Lanes[Item, Result]):
    """Keeps the items that wait for each row, in order: a row is a lane from its first item put
    aside until its last one is taken.
    """

    def __init__(self, writer: BatchWriter[Item, Result], batch_items: int) -> None:
        super().__init__()
        self._writer = writer
        self._batch_items = batch_items

    def join(self, pending: Pending[Item, Result]) -> bool:
        """Queue the item behind those that wait for its row; return False where none does."""
        row = self._writer.lock_key(pending.item)
        if row not in self:
            return False
        self.put(row, pending)
        return True

    def put_aside(self, pending: Pending[Item, Result]) -> None:
        """Let the item and its followers wait for its row, which somebody else holds."""
        row = self._writer.lock_key(pending.item)
        for each in (pending, *pending.followers):
            self.put(row, each)
        pending.followers = []

    def take(self, row: Hashable) -> list[Pending[Item, Result]]:
        """Take what waits for one row, up to a batch. Of equal items only the first is taken; the
        others go on waiting.
        """
        batch: OrderedDict[Hashable, Pending[Item, Result]] = OrderedDict()
        later: list[Pending[Item, Result]] = []
        while len(batch) < self._batch_items and (pending := self.pop(row)) is not None:
            try:
                identity = self._writer.identity(pending.item)
            except Exception as error:
                self.put_back(row, [*batch.values(), *later])
                pending.fail(error)
                raise
            if batch.setdefault(identity, pending) is not pending:
                later.append(pending)
        self.put_back(row, later)
        return list(batch.values())
