"""Pacing: of values that come often under one key, give the first at once, then at most one in an
interval, and always the last.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Pacer(Generic[Key, Value]):
    """`emit` gets a value at once, or what came within the interval after one, merged, at its end.

    Never two values of one key within `every_s`. What is held is bounded by what comes in an
    interval. `emit` must not raise.
    """

    def __init__(
        self,
        emit: Callable[[list[Value]], None],
        merge: Callable[[Value, Value], Value],
        *,
        every_s: float,
    ) -> None:
        self._emit = emit
        self._merge = merge
        self._every_s = every_s
        # When each key's interval ends, the next one first; and what came meanwhile.
        self._until: OrderedDict[Key, float] = OrderedDict()
        self._held: dict[Key, Value] = {}
        self._timer: asyncio.TimerHandle | None = None

    def offer(self, key: Key, value: Value) -> None:
        if key in self._until:
            held = self._held.get(key)
            self._held[key] = value if held is None else self._merge(held, value)
            return
        self._begin(key)
        self._emit([value])

    def close(self) -> None:
        """Drop what is held, and emit nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        self._until.clear()
        self._held.clear()

    def _begin(self, key: Key) -> None:
        loop = asyncio.get_running_loop()
        self._until[key] = loop.time() + self._every_s
        if self._timer is None:
            self._timer = loop.call_later(self._every_s, self._end_intervals)

    def _end_intervals(self) -> None:
        loop = asyncio.get_running_loop()
        now, due = loop.time(), []
        self._timer = None
        while self._until:
            key, until = next(iter(self._until.items()))
            if until > now:
                self._timer = loop.call_at(until, self._end_intervals)
                break
            del self._until[key]
            if key in self._held:
                due.append((key, self._held.pop(key)))
        for key, _ in due:
            self._begin(key)
        if due:
            self._emit([value for _, value in due])
