"""The committer: a process's one writer of sends and acknowledgements, each in a lane of its
own.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import asyncpg

from models.background import Loops
from models.log.admission import Admission, Look, LookReader, SenderStanding
from models.log.device_positions import DevicePosition, DevicePositionWriter
from models.log.drafts import Draft, Sent
from models.log.entries import Batch
from models.log.group_commit.batching import COMMIT_DEADLINE_S, GroupCommit
from models.log.positions import Move, Moved, MoveWriter
from models.log.send_writer import SendWriter
from models.postgresql.database import connect
from models.refusals import RefusalCode, Refused

Answer = TypeVar("Answer")

# A lock is waited for 50 ms, then it is another channel's turn. One plan for all batches, by
# indexes only: with its values at hand the planner trusts statistics that are old by the time a
# channel has grown. Citus makes no plan without values: by them it finds where the rows are.
_SESSION = {"lock_timeout": "50", "statement_timeout": "2000"}
_PLANS = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}

# Where the database is distributed: how many batches a process has under way, each of one channel.
_LANE_CONNECTIONS = 4


def _tell_nobody(_: Sequence[Moved]) -> None:
    return None


class Committer:
    """Writes sends and acknowledgements, and answers after the commit.

    `on_commit` is called with each stored batch, `on_moved` with each batch of moves, in the order
    of their commits. Neither may raise. Where the database `is_distributed`, each batch is of one
    channel.
    """

    def __init__(
        self,
        database_url: str,
        on_commit: Callable[[Batch], None],
        on_moved: Callable[[Sequence[Moved]], None] = _tell_nobody,
        *,
        is_distributed: bool = False,
        deadline_s: float = COMMIT_DEADLINE_S,
        loops: Loops | None = None,
    ) -> None:
        settings = _SESSION if is_distributed else _SESSION | _PLANS
        lane_connections = _LANE_CONNECTIONS if is_distributed else 0

        async def open_connection() -> "asyncpg.Connection[asyncpg.Record]":
            return await connect(database_url, settings=settings)

        self._sends = GroupCommit[Draft, Sent](
            SendWriter(on_commit, is_distributed=is_distributed),
            open_connection,
            deadline_s=deadline_s,
            lane_connections=lane_connections,
            name="commit_sends",
            loops=loops,
        )
        self._looks = GroupCommit[Look, SenderStanding](
            LookReader(),
            open_connection,
            deadline_s=deadline_s,
            waiting_connections=0,
            lane_connections=lane_connections,
            name="look_at_senders",
            loops=loops,
        )
        self._admission = Admission(self._sends, self._looks)
        self._positions = GroupCommit[DevicePosition, int](
            DevicePositionWriter(),
            open_connection,
            deadline_s=deadline_s,
            waiting_connections=1,
            name="commit_device_positions",
            loops=loops,
        )
        self._moves = GroupCommit[Move, Moved](
            MoveWriter(on_moved, is_distributed=is_distributed),
            open_connection,
            deadline_s=deadline_s,
            waiting_connections=1,
            lane_connections=lane_connections,
            name="commit_moves",
            loops=loops,
        )

    def start(self) -> None:
        self._looks.start()
        self._sends.start()
        self._moves.start()
        self._positions.start()

    async def close(self) -> None:
        # First: drafts whose senders are still being looked at go on to the sends.
        await self._looks.close()
        await asyncio.gather(self._sends.close(), self._moves.close(), self._positions.close())

    async def send(self, draft: Draft) -> Sent:
        """Store a draft, or find it stored.

        Raises:
            Refused: NOT_FOUND, CONFLICT, INVALID_INPUT, UNAVAILABLE.
        """
        try:
            return await self._admission.submit(draft)
        except Refused as refused:
            if refused.code is RefusalCode.NOT_FOUND:
                self._admission.forget(draft)
            raise

    async def advance(self, moves: Iterable[Move]) -> list[Moved]:
        """Move members forward; those who are not members are left out.

        Raises:
            Refused: UNAVAILABLE.
        """
        results = await _settle([self._moves.submit(move) for move in moves])
        moved = []
        for result in results:
            if isinstance(result, Moved):
                moved.append(result)
            elif not (isinstance(result, Refused) and result.code is RefusalCode.NOT_FOUND):
                raise result
        return moved

    async def store(self, positions: Iterable[DevicePosition]) -> None:
        """Remember where inboxes of devices resume, all of those that wait in one statement; not
        where the database is distributed.

        Raises:
            Refused: UNAVAILABLE.
        """
        for result in await _settle([self._positions.submit(each) for each in positions]):
            if isinstance(result, BaseException):
                raise result


async def _settle(
    answers: Sequence[asyncio.Future[Answer]],
) -> Sequence[Answer | BaseException]:
    """Wait for all, and return what each gave or raised. There is mostly one."""
    return await asyncio.gather(*answers, return_exceptions=True)
