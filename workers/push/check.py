"""Check a moment after each batch was sent which devices have it, and push to the others.

- A phone that does not have what another device of its user has is pushed to: that one may be open
  with nobody there.
- Where no device has it, it is on its way or its socket's other end is gone. Its job waits until a
  live device must have it (`push_check_s`), and looks again.

One look-up for many batches, not a job for each recipient; two workers may look at the same batch,
since a push that is queued is not queued again.
"""

from models.background import Background, Loops
from models.limits.limits import Limits
from models.log.outbox import list_unchecked_batches, list_unread, note_checked
from models.postgresql.database import Database
from models.push.states import Want, want_pushes

LOOK_EVERY_S = 1.0
ROUND_BATCHES = 500


class PushCheck:
    def __init__(
        self,
        database: Database,
        limits: Limits,
        *,
        loops: Loops | None = None,
        every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._database = database
        self._limits = limits
        self._every_s = every_s
        self._background = Background(loops)

    def start(self) -> None:
        self._background.every("push_check", self._every_s, self._check_all, at_once=True)

    async def close(self) -> None:
        await self._background.close()

    async def _check_all(self) -> None:
        while await self.check() == ROUND_BATCHES:
            continue

    async def check(self) -> int:
        """Check the batches that are due, and return how many these were.

        Raises:
            Refused: UNAVAILABLE.
        """
        batches = await list_unchecked_batches(
            self._database, older_than_s=self._limits.push_look_s, most=ROUND_BATCHES
        )
        if not batches:
            return 0
        wants = [
            Want(user_id, channel_id, seq, looked=True, delivered=delivered)
            for user_id, channel_id, seq, delivered in await list_unread(self._database, batches)
        ]
        if wants:
            await want_pushes(self._database, wants, limits=self._limits)
        await note_checked(self._database, batches)
        return len(batches)
