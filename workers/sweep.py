"""The sweep: deletes rows that have had their day. Any number of processes may sweep; each
statement stands alone.
"""

from models.background import Background, Loops
from models.postgresql.database import Database
from models.sweeping import delete_ended_rows

SWEEP_EVERY_S = 60.0


class Sweep:
    def __init__(
        self, database: Database, *, loops: Loops | None = None, every_s: float = SWEEP_EVERY_S
    ) -> None:
        self._database = database
        self._every_s = every_s
        self._background = Background(loops)

    def start(self) -> None:
        self._background.every("sweep", self._every_s, self.sweep, jitter=0.5)

    async def close(self) -> None:
        await self._background.close()

    async def sweep(self) -> None:
        """Delete what has ended by now.

        Raises:
            Refused: UNAVAILABLE.
        """
        await delete_ended_rows(self._database)
