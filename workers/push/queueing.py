"""The push queue of a process: gathers who is to hear of what, and queues jobs for it, a few times
a second in one statement.

Nothing here is on the way of a send: it is told after the commit, and never waits. What cannot be
queued is left to the relay, which dispatches the batch again; what is to be taken back is a hint.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from models.background import Background, Loops
from models.deadlines import within
from models.limits.limits import Limits
from models.log.positions import Moved
from models.postgresql.database import Database
from models.push.states import Want, update_pushes, want_pushes

logger = logging.getLogger("parley.push")

GATHER_S = 0.1
# Pairs of user and channel; beyond it batches are left to the relay, and memory is bounded.
WAITING_MOST = 20_000
ROUND_MOST = 5_000


class PushQueue:
    def __init__(self, database: Database, limits: Limits, *, loops: Loops | None = None) -> None:
        self._database = database
        self._limits = limits
        # The newest message by channel and user.
        self._wanted: dict[tuple[str, str], int] = {}
        self._changed: dict[tuple[str, str], None] = {}
        # Told once what was wanted before them is queued.
        self._told: list[Callable[[], None]] = []
        self._wake = asyncio.Event()
        self._background = Background(loops)

    def start(self) -> None:
        self._background.whenever("push_queue", self._wake, self._queue, gather_s=GATHER_S)

    async def close(self) -> None:
        """Queue what waits; what cannot be queued is left to the relays of others."""
        await self._background.close()
        try:
            await within(self.queue_now(), 2)
        except TimeoutError:
            logger.warning("Some pushes are left to other processes' relays.")

    def waiting(self) -> int:
        """Return how many (user, channel) wait to be queued."""
        return len(self._wanted) + len(self._changed)

    def want(self, wants: Sequence[Want], then: Callable[[], None]) -> None:
        """Queue pushes, and then say so. If it cannot be done, nothing is said."""
        if len(self._wanted) + len(wants) > WAITING_MOST:
            return
        for want in wants:
            place = (want.user_id, want.channel_id)
            if self._wanted.get(place, 0) < want.seq:
                self._wanted[place] = want.seq
        self._told.append(then)
        self._wake.set()

    def update(self, places: Sequence[tuple[str, str]]) -> None:
        """Something has changed that these users (user, channel) may be shown. A hint."""
        if places and len(self._changed) + len(places) <= WAITING_MOST:
            self._changed |= dict.fromkeys(places)
            self._wake.set()

    def on_moved(self, moves: Sequence[Moved]) -> None:
        """Told of each batch of acknowledgements after its commit: what was read is shown no
        longer.
        """
        # While one of a chat blocks the other, what is shown of positions stands still.
        self.update(
            [
                (m.user_id, m.channel_id)
                for m in moves
                if m.moved and (m.shown_read > m.shown_read_before or m.shown_read < m.read_seq)
            ]
        )

    async def queue_now(self) -> None:
        """Queue what waits. Raises nothing: what fails is left to the relay."""
        try:
            await self._queue()
        except Exception as error:
            self._background.note("push_queue", error)

    async def _queue(self) -> None:
        wanted, self._wanted = self._wanted, {}
        changed, self._changed = self._changed, {}
        told, self._told = self._told, []
        for wants in _pieces([Want(*place, seq) for place, seq in wanted.items()]):
            await want_pushes(self._database, wants, limits=self._limits)
        for tell in told:
            tell()
        for places in _pieces(list(changed)):
            await update_pushes(self._database, places)


def _pieces(items: list) -> list[list]:  # type: ignore[type-arg]
    return [items[start : start + ROUND_MOST] for start in range(0, len(items), ROUND_MOST)]
