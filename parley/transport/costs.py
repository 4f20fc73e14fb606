"""Costs: what all live subscriptions of one holder (a socket, or a device's streams of server-sent
events) may cost together.

The cost of one is how many objects one event may make it give. A message that everybody follows is
rendered for each subscription, so that one sender pays for what many subscriptions select.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from parley.engine.errors import exceeded
from parley.engine.operation import Operation


class LiveCosts:
    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[object, int] = {}

    @contextmanager
    def hold(self, holder: object, cost: int) -> Iterator[None]:
        """Count the cost while a subscription lives.

        Raises:
            OperationRefused: LIMIT_EXCEEDED; it would be too much together.
        """
        held = self._held.get(holder, 0)
        if held + cost > self._most:
            raise exceeded(
                f"One event could make the subscriptions of this connection give {held + cost} "
                f"objects together, and {self._most} are allowed: complete one, or select less."
            )
        self._held[holder] = held + cost
        try:
            yield
        finally:
            self._give_back(holder, cost)

    def _give_back(self, holder: object, cost: int) -> None:
        left = self._held[holder] - cost
        if left:
            self._held[holder] = left
        else:
            del self._held[holder]


class FollowedDocuments:
    """What the documents of a user's live subscriptions take of memory, each counted once.

    A document that is followed stays in memory as long, whatever the cache of documents forgets.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held: dict[object, Counter[Operation]] = {}

    @contextmanager
    def hold(self, user: object, operation: Operation) -> Iterator[None]:
        """Count the operation's document while a subscription of the user lives.

        Raises:
            OperationRefused: LIMIT_EXCEEDED; it would be too much together.
        """
        held = self._held.get(user, Counter())
        if operation not in held:
            size = operation.document_bytes + sum(each.document_bytes for each in held)
            if size > self._max_bytes:
                raise exceeded(
                    "Too many different documents are followed at once: complete a subscription, "
                    "or use variables in place of documents that differ."
                )
        self._held.setdefault(user, held)[operation] += 1
        try:
            yield
        finally:
            held[operation] -= 1
            if not held[operation]:
                del held[operation]
            if not held:
                self._held.pop(user, None)
