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

from models.background import Background, Loops
from models.log.positions import Moved
from models.log.receipt_signals import ShownMove, list_receipt_signals, merge_moves
from models.log.signals import Signalled, ViewerChannelChanged
from models.postgresql.database import Database
from models.refusals import Refused
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
        loops: Loops | None = None,
    ) -> None:
        self._database = database
        self._announce = announce
        self._busy_s = busy_s
        self._pacer = Pacer[tuple[str, str], ShownMove](
            self._tell_soon, merge_moves, every_s=RECEIPTS_EVERY_S
        )
        self._due: deque[ShownMove] = deque()
        self._wake = asyncio.Event()
        # How often PostgreSQL could not be asked, one time after the other.
        self._tries = 0
        self._background = Background(loops)

    def start(self) -> None:
        self._background.whenever("receipts", self._wake, self._tell, longest_pause_s=self._busy_s)

    async def close(self) -> None:
        self._pacer.close()
        await self._background.close()

    def on_moved(self, moves: Sequence[Moved]) -> None:
        """Take in a committed batch of acknowledgements. Never waits, never raises."""
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
        """Tell of everything that is due. Moves that fail for another reason than that PostgreSQL
        is away are dropped: they would hold up all others.
        """
        while self._due:
            moves = [self._due.popleft() for _ in range(min(len(self._due), MOVES_AT_ONCE))]
            try:
                signals = await list_receipt_signals(self._database, moves, at=datetime.now(UTC))
            except Refused:
                self._put_back(moves)
                raise
            self._tries = 0
            self._announce(signals)

    def _put_back(self, moves: list[ShownMove]) -> None:
        self._tries += 1
        if self._tries == MOST_TRIES:
            logger.warning("%d receipts are given up.", len(moves))
            self._tries = 0
        else:
            self._due.extendleft(reversed(moves))
