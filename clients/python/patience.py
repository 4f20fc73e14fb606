"""How long to wait: for an answer, for a sign of life, and before the next try."""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass

MOST_S = 30.0


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. Those of an app on a phone's network; tests are less patient."""

    # For an answer over HTTP, and until a websocket is open.
    answer_s: float = 15.0
    # Between pings on the websocket, and for the answer to one: they find a silent connection.
    ping_s: float = 20.0
    # At most, before the first new try.
    retry_s: float = 1.0


class Backoff:
    """A random time up to 1 s, doubled after each failed try, at most 30 s.

    Random, so that all clients of a server that failed do not come back in the same moment.
    """

    def __init__(self, patience: Patience) -> None:
        self._first_s = patience.retry_s
        self._most_s = patience.retry_s

    def reset(self) -> None:
        """It worked: the next failure is the first one."""
        self._most_s = self._first_s

    async def wait(self, at_least_s: float = 0, hurry: asyncio.Event | None = None) -> None:
        """Wait for the next try: as long as the server asked for, and then as said above, or until
        there is a reason to `hurry`.
        """
        wait_s = random.uniform(0, self._most_s)
        self._most_s = min(2 * self._most_s, MOST_S)
        await asyncio.sleep(at_least_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await (hurry or asyncio.Event()).wait()
