"""Lanes of a group commit: queues of items, and whose turn it is."""

import asyncio
from collections import deque
from collections.abc import Hashable, Iterable
from typing import Any, Generic, TypeVar

from models.log.group_commit.pending import Pending

Item = TypeVar("Item")
Result = TypeVar("Result")


class Lanes(Generic[Item, Result]):
    """Keeps the items of each lane in order, and gives the lanes their turns.

    A lane is here from its first item put in until a turn ends with nothing left in it. It has one
    turn at a time, so that no two callers work on one lane.
    """

    def __init__(self) -> None:
        self._waiting: dict[Hashable, deque[Pending[Item, Result]]] = {}
        self._turns: asyncio.Queue[Hashable] = asyncio.Queue()
        self._count = 0

    def __len__(self) -> int:
        """Return how many items wait in all lanes."""
        return self._count

    def __contains__(self, lane: Hashable) -> bool:
        return lane in self._waiting

    def put(self, lane: Hashable, pending: Pending[Item, Result]) -> None:
        """Queue the item behind those of its lane."""
        waiting = self._waiting.get(lane)
        if waiting is None:
            waiting = self._waiting[lane] = deque()
            self._turns.put_nowait(lane)
        waiting.append(pending)
        self._count += 1

    def put_back(self, lane: Hashable, batch: Iterable[Pending[Item, Result]]) -> None:
        """Put items that were taken during this turn back before all others of their lane."""
        for pending in reversed(list(batch)):
            self._waiting[lane].appendleft(pending)
            self._count += 1

    def pop(self, lane: Hashable) -> Pending[Item, Result] | None:
        """Take the lane's first item; None where nothing waits in it."""
        waiting = self._waiting[lane]
        if not waiting:
            return None
        self._count -= 1
        return waiting.popleft()

    def list_pending(self) -> set[Pending[Any, Any]]:
        """Return all items that wait."""
        return {pending for waiting in self._waiting.values() for pending in waiting}

    async def next_turn(self) -> Hashable:
        """Wait for a lane whose turn it is. Whoever takes it calls `end_turn`, whatever happens."""
        return await self._turns.get()

    def end_turn(self, lane: Hashable) -> None:
        """Give the lane another turn, or let go of it when nothing waits in it any more."""
        if self._waiting[lane]:
            self._turns.put_nowait(lane)
        else:
            del self._waiting[lane]
