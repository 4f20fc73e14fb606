"""The committer: a process's one writer of sends and acknowledgements, each in a lane of its
own.
"""

import asyncio
from collections.abc import Callable, Iterable

import asyncpg

from models.database import connect
from models.group_commit import GroupCommit
from models.log import Batch
from models.positions import Move, Moved, MoveWriter
from models.refusals import RefusalCode, Refused
from models.sends import Draft, SendWriter, Sent

# A generic plan would take a wrong index for the repeat check (traps.md J 8). A lock is waited for
# 50 ms, then it is another channel's turn.
_SESSION = {
    "plan_cache_mode": "force_custom_plan",
    "lock_timeout": "50",
    "statement_timeout": "2000",
}


class Committer:
    """Answers after the commit. `on_commit` is told of each stored batch, in commit order, and must
    not raise.
    """

    def __init__(self, database_url: str, on_commit: Callable[[Batch], None]) -> None:
        async def open_connection() -> "asyncpg.Connection[asyncpg.Record]":
            return await connect(database_url, settings=_SESSION)

        self._sends = GroupCommit[Draft, Sent](SendWriter(on_commit), open_connection)
        self._moves = GroupCommit[Move, Moved](MoveWriter(), open_connection, waiting_connections=1)

    def start(self) -> None:
        self._sends.start()
        self._moves.start()

    async def close(self) -> None:
        await asyncio.gather(self._sends.close(), self._moves.close())

    async def send(self, draft: Draft) -> Sent:
        """Store a draft, or find it stored.

        Raises:
            Refused: NOT_FOUND, CONFLICT, INVALID_INPUT, UNAVAILABLE.
        """
        return await self._sends.submit(draft)

    async def advance(self, moves: Iterable[Move]) -> list[Moved]:
        """Move members forward; those who are not members are left out.

        Raises:
            Refused: UNAVAILABLE.
        """
        results = await asyncio.gather(
            *(self._moves.submit(move) for move in moves), return_exceptions=True
        )
        moved = []
        for result in results:
            if isinstance(result, Moved):
                moved.append(result)
            elif not (isinstance(result, Refused) and result.code is RefusalCode.NOT_FOUND):
                raise result
        return moved
