"""Indexing for search: whoever commits the last entry of a block has the block indexed, off the
path of sends.

Nothing depends on it but speed: what is not indexed is looked through, and the next block's writer,
or a search, makes up for a process that died.
"""

import asyncio
import logging

from models.database import Database
from models.log import Batch
from models.refusals import Refused
from models.search import BLOCK_ENTRIES, BUILT_AT_ONCE, build_search_blocks

logger = logging.getLogger("parley.search")


class Indexing:
    def __init__(self, database: Database) -> None:
        self._database = database
        # Channels with a block that has become whole; in order, each once.
        self._waiting: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def on_commit(self, batch: Batch) -> None:
        """Told of each committed batch. Never waits, never raises."""
        for entry in batch.entries:
            if entry.seq % BLOCK_ENTRIES == 0:
                self._waiting[entry.channel_id] = None
                self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                channel_id = next(iter(self._waiting))
                del self._waiting[channel_id]
                try:
                    await self._build(channel_id)
                except Refused:
                    logger.warning("A block is indexed later: PostgreSQL is busy or away.")

    async def _build(self, channel_id: str) -> None:
        most = BUILT_AT_ONCE
        while await build_search_blocks(self._database, channel_id, most=most) == most:
            continue
