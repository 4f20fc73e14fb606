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

    `goes_on`: whether a value says more than the one that was given last. One that does not, since
    it was overtaken on its way, is merged with the last and dropped if it still says no more.
    """

    def __init__(
        self,
        emit: Callable[[list[Value]], None],
        merge: Callable[[Value, Value], Value],
        *,
        every_s: float,
        goes_on: Callable[[Value, Value], bool] | None = None,
    ) -> None:
        self._emit = emit
        self._merge = merge
        self._every_s = every_s
        self._goes_on = goes_on
        # When each key's interval ends, the next one first; and what came meanwhile.
        self._until: OrderedDict[Key, float] = OrderedDict()
        self._held: dict[Key, Value] = {}
        # What was given last of each key whose interval runs.
        self._given: dict[Key, Value] = {}
        self._timer: asyncio.TimerHandle | None = None

    def offer(self, key: Key, value: Value) -> None:
        if key in self._until:
            held = self._held.get(key)
            self._held[key] = value if held is None else self._merge(held, value)
            return
        self._begin(key, value)
        self._emit([value])

    def close(self) -> None:
        """Drop what is held, and emit nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        self._until.clear()
        self._held.clear()
        self._given.clear()

    def _begin(self, key: Key, value: Value) -> None:
        loop = asyncio.get_running_loop()
        if self._goes_on is not None:
            self._given[key] = value
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
            given = self._given.pop(key, None)
            if key in self._held:
                value = self._held.pop(key)
                if given is None or self._goes_on is None:
                    due.append((key, value))
                elif self._goes_on(given, merged := self._merge(given, value)):
                    due.append((key, merged))
        for key, value in due:
            self._begin(key, value)
        if due:
            self._emit([value for _, value in due])
