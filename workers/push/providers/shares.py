"""Places for requests at once, and how many of them an origin may have.

An origin that answers may have most of them, one that has not answered yet few, and all of those
together half. So one that hangs leaves places for the others, whoever named it. Some more of an
origin may wait for its places; who comes beyond that is turned away at once, and so are those who
wait when it fails: they would only wait for the next failure.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

# Origins that are remembered to have answered.
KNOWN_MOST = 1000


class NoPlace(Exception):
    """The origin's places are taken, and enough others wait for them."""


class _Share:
    """Of an origin, or of several."""

    def __init__(self, at_once: int, inside: int) -> None:
        self.places = asyncio.Semaphore(at_once)
        self._most_inside = inside
        self.inside = 0
        self.failures = 0

    @property
    def is_full(self) -> bool:
        return self.inside >= self._most_inside


class Shares:
    """Of `places` requests at once; `inside` of them or waiting."""

    def __init__(self, places: int, *, inside: int) -> None:
        self._places = places
        self._inside = inside
        self._all = _Share(places, inside)
        self._strangers = _Share(max(1, places // 2), max(1, inside // 2))
        self._by_origin: dict[tuple[str, bool], _Share] = {}
        # In the order of when they last answered.
        self._known: dict[str, None] = {}

    @asynccontextmanager
    async def place(self, origin: str) -> AsyncIterator[None]:
        """Hold one of the places until the block ends; wait for one within the origin's share.

        Raises:
            NoPlace: come back later.
        """
        known = origin in self._known
        share = self._find_share(origin, known)
        shares = [share, *([] if known else [self._strangers]), self._all]
        if any(each.is_full for each in shares):
            raise NoPlace
        failures = share.failures
        for each in shares:
            each.inside += 1
        try:
            async with AsyncExitStack() as stack:
                for each in shares:
                    await stack.enter_async_context(each.places)
                if share.failures > failures:
                    raise NoPlace
                yield
        finally:
            for each in shares:
                each.inside -= 1
            if not share.inside:
                self._by_origin.pop((origin, known), None)

    def note(self, origin: str, *, answered: bool) -> None:
        """Say whether the origin has answered, in whatever way."""
        self._known.pop(origin, None)
        if answered:
            self._known[origin] = None
            if len(self._known) > KNOWN_MOST:
                del self._known[next(iter(self._known))]
            return
        for known in (True, False):
            if (share := self._by_origin.get((origin, known))) is not None:
                share.failures += 1

    def _find_share(self, origin: str, known: bool) -> _Share:
        share = self._by_origin.get((origin, known))
        if share is None:
            at_once = self._places * 3 // 4 if known else self._places // 8
            inside = self._inside // 2 if known else self._inside // 16
            share = self._by_origin[origin, known] = _Share(max(1, at_once), max(1, inside))
        return share
