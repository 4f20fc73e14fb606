"""Receipts, live: what each move of a member's positions means to the authors of what it covers,
and to the member's own devices.

A member who acknowledges message by message is one move a second in each channel. Whom it concerns
is asked when it is told, not when it was made: who hides reading or blocks the other meanwhile is
believed. A hint: what cannot be asked is dropped, and clients fetch again.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from models.database import Database
from models.positions import Moved
from models.receipt_signals import ShownMove, list_receipt_signals, merge_moves
from models.refusals import Refused
from models.signals import Signalled, ViewerChannelChanged
from subscriptions.pacing import Pacer

logger = logging.getLogger("parley.live")

RECEIPTS_EVERY_S = 1.0
# When PostgreSQL cannot be asked: the pause before the next try, and when the receipts are given up
# as the hints that they are.
BUSY_S = 0.25
MOST_TRIES = 20
# Moves whose authors are asked for in one statement.
MOVES_AT_ONCE = 200
# Beyond this they are dropped: memory is bounded.
WAITING_MOVES = 20_000


class Receipts:
    def __init__(
        self,
        database: Database,
        announce: Callable[[Sequence[Signalled]], None],
        *,
        busy_s: float = BUSY_S,
    ) -> None:
        self._database = database
        self._announce = announce
        self._busy_s = busy_s
        self._pacer = Pacer[tuple[str, str], ShownMove](
            self._tell_soon, merge_moves, every_s=RECEIPTS_EVERY_S
        )
        self._due: deque[ShownMove] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._tell())

    async def close(self) -> None:
        self._pacer.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def on_moved(self, moves: Sequence[Moved]) -> None:
        """Told of each batch of acknowledgements after its commit; never waits, never raises."""
        self._announce(
            [Signalled(ViewerChannelChanged(m.channel_id), [m.user_id]) for m in moves if m.moved]
        )
        for moved in moves:
            move = ShownMove(
                moved.channel_id,
                moved.user_id,
                moved.shown_delivered_before,
                moved.shown_delivered,
                moved.shown_read_before,
                moved.shown_read,
            )
            if move.covers_more():
                self._pacer.offer((moved.channel_id, moved.user_id), move)

    def _tell_soon(self, moves: list[ShownMove]) -> None:
        if len(self._due) < WAITING_MOVES:
            self._due.extend(moves)
        self._wake.set()

    async def _tell(self) -> None:
        tries = 0
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._due:
                moves = [self._due.popleft() for _ in range(min(len(self._due), MOVES_AT_ONCE))]
                try:
                    signals = await list_receipt_signals(
                        self._database, moves, at=datetime.now(UTC)
                    )
                except Refused:
                    tries += 1
                    if tries == MOST_TRIES:
                        logger.warning("%d receipts are given up.", len(moves))
                        tries = 0
                        continue
                    logger.warning("PostgreSQL is busy or away: %d receipts wait.", len(moves))
                    self._due.extendleft(reversed(moves))
                    await asyncio.sleep(self._busy_s)
                except Exception as error:
                    logger.warning(
                        "%d moves are not told to authors: %s.", len(moves), type(error).__name__
                    )
                else:
                    tries = 0
                    self._announce(signals)
