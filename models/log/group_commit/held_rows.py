"""Rows that somebody else holds, and the items of a group commit that wait for them."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Hashable, Sequence
from typing import Any, Generic, TypeVar

from models.log.group_commit.batch_writer import BatchWriter
from models.log.group_commit.pending import Pending

Item = TypeVar("Item")
Result = TypeVar("Result")


class HeldRows(Generic[Item, Result]):
    """Keeps the items that wait for each row, in order, and gives the rows their turns.

    A row is here from its first item put aside until its last one is taken. Its turn comes again
    and again until then.
    """

    def __init__(self, writer: BatchWriter[Item, Result], batch_items: int) -> None:
        self._writer = writer
        self._batch_items = batch_items
        self._waiting: dict[Hashable, deque[Pending[Item, Result]]] = {}
        self._turns: asyncio.Queue[Hashable] = asyncio.Queue()

    def join(self, pending: Pending[Item, Result]) -> bool:
        """Queue the item behind those that wait for its row; return False where none does."""
        waiting = self._waiting.get(self._writer.lock_key(pending.item))
        if waiting is None:
            return False
        waiting.append(pending)
        return True

    def put_aside(self, pending: Pending[Item, Result]) -> None:
        """Let the item and its followers wait for its row, which somebody else holds."""
        key = self._writer.lock_key(pending.item)
        if key not in self._waiting:
            self._waiting[key] = deque()
            self._turns.put_nowait(key)
        self._waiting[key].append(pending)
        self._waiting[key].extend(pending.followers)
        pending.followers = []

    def list_pending(self) -> set[Pending[Any, Any]]:
        """Return all items that wait for a row."""
        return {pending for waiting in self._waiting.values() for pending in waiting}

    async def next_turn(self) -> Hashable:
        """Wait for a row whose turn it is. Whoever takes it calls `end_turn`, whatever happens."""
        return await self._turns.get()

    def end_turn(self, key: Hashable) -> None:
        """Give the row another turn, or let go of it when nothing waits for it any more."""
        if self._waiting[key]:
            self._turns.put_nowait(key)
        else:
            del self._waiting[key]

    def take(self, key: Hashable) -> list[Pending[Item, Result]]:
        """Take what waits for one row, up to a batch. Of equal items only the first is taken; the
        others go on waiting.
        """
        waiting = self._waiting[key]
        batch: OrderedDict[Hashable, Pending[Item, Result]] = OrderedDict()
        later: list[Pending[Item, Result]] = []
        while waiting and len(batch) < self._batch_items:
            pending = waiting.popleft()
            try:
                identity = self._writer.identity(pending.item)
            except Exception as error:
                waiting.extendleft(reversed([*batch.values(), *later]))
                pending.fail(error)
                raise
            if batch.setdefault(identity, pending) is not pending:
                later.append(pending)
        waiting.extendleft(reversed(later))
        return list(batch.values())

    def give_back(self, key: Hashable, batch: Sequence[Pending[Item, Result]]) -> None:
        """Put items that were taken back before all others that wait for their row."""
        self._waiting[key].extendleft(reversed(batch))
