"""Duties: what one process of all does for all, as the relay is. Whoever has a duty holds a lease
on its row, which ends by itself.

Ages are compared by PostgreSQL's clock only. A process that was stopped may go on for a moment
after another has taken its duty over, so what is done must be harmless when it is done twice.
"""

import asyncio
import random
import time

from models.postgresql.database import Database

# All duties are in one bucket, and so in one shard.
BUCKET = 0
LEASE_S = 2.0
# A connection that is silent for longer is left, so that a lease is renewed in time.
ANSWERED_WITHIN_S = 0.6
# After a lease has ended others ask within so long, spread out.
ASKED_AFTER_S = 0.5


class Duty:
    """A duty, as one process sees it. `holder_id` is any id of that process."""

    def __init__(
        self, database: Database, name: str, holder_id: str, *, lease_s: float = LEASE_S
    ) -> None:
        self._database = database
        self._name = name
        self._holder_id = holder_id
        self._lease_s = lease_s
        self._held_until = float("-inf")

    @property
    def is_held(self) -> bool:
        """Return whether this process has the duty, as far as it knows."""
        return time.monotonic() < self._held_until

    async def take(self) -> float:
        """Take the duty, or renew its lease. Return 0 if this process has it now; else in how many
        seconds to ask again, which is when the lease of another may have ended.

        Raises:
            Refused: UNAVAILABLE, also where no answer came in time.
        """
        began = time.monotonic()
        if not (self.is_held and await self._change(self._holder_id)):
            self._held_until = float("-inf")
            left_s = await self._take_over()
            if left_s is not None:
                return max(0.0, left_s) + random.uniform(0, ASKED_AFTER_S)
        self._held_until = began + self._lease_s
        return 0

    async def wait(self) -> None:
        """Wait until this process has the duty.

        Raises:
            Refused: UNAVAILABLE, also where no answer came in time.
        """
        while True:
            pause_s = await self.take()
            if not pause_s:
                return
            await asyncio.sleep(pause_s)

    async def let_go(self) -> None:
        """Leave the duty to whoever asks next.

        Raises:
            Refused: UNAVAILABLE.
        """
        if self.is_held:
            self._held_until = float("-inf")
            await self._change(self._holder_id, lease_s=0)

    async def _take_over(self) -> float | None:
        """Take the duty if nobody holds it; else return for how many seconds its lease lasts."""
        found = await self._database.fetch_within(
            ANSWERED_WITHIN_S,
            "SELECT holder_id, extract(epoch FROM held_until - now())::float8 AS left_s "
            "FROM duties WHERE bucket = $1 AND name = $2",
            BUCKET,
            self._name,
        )
        if not found:
            is_taken = await self._begin()
        elif found[0]["holder_id"] == self._holder_id or found[0]["left_s"] <= 0:
            is_taken = await self._change(found[0]["holder_id"])
        else:
            return float(found[0]["left_s"])
        return None if is_taken else self._lease_s

    async def _begin(self) -> bool:
        """Store the row that nobody has stored yet."""
        rows = await self._database.fetch_within(
            ANSWERED_WITHIN_S,
            "INSERT INTO duties (bucket, name, holder_id, held_until) "
            "VALUES ($1, $2, $3, now() + make_interval(secs => $4)) "
            "ON CONFLICT (bucket, name) DO NOTHING RETURNING 1",
            BUCKET,
            self._name,
            self._holder_id,
            self._lease_s,
        )
        return bool(rows)

    async def _change(self, of_holder: str, *, lease_s: float | None = None) -> bool:
        """Hold the lease from now on, if it is still that of `of_holder`. Return whether it was."""
        rows = await self._database.fetch_within(
            ANSWERED_WITHIN_S,
            "UPDATE duties SET holder_id = $3, held_until = now() + make_interval(secs => $4) "
            "WHERE bucket = $1 AND name = $2 AND holder_id = $5 RETURNING 1",
            BUCKET,
            self._name,
            self._holder_id,
            self._lease_s if lease_s is None else lease_s,
            of_holder,
        )
        return bool(rows)
