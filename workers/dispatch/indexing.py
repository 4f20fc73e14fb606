"""Indexing for search: whoever commits the last entry of a block has the block indexed, off the
path of sends.

Nothing depends on it but speed: what is not indexed is looked through, and the next block's writer,
or a search, makes up for a process that died.
"""

import asyncio

from models.background import Background, Loops
from models.log.entries import Batch
from models.messages.search_index import BLOCK_ENTRIES, BUILT_AT_ONCE, build_search_blocks
from models.postgresql.database import Database


class Indexing:
    def __init__(self, database: Database, *, loops: Loops | None = None) -> None:
        self._database = database
        # Channels with a block that has become whole; in order, each once.
        self._waiting: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._background = Background(loops)

    def start(self) -> None:
        self._background.whenever("indexing", self._wake, self._index_waiting)

    async def close(self) -> None:
        await self._background.close()

    def on_commit(self, batch: Batch) -> None:
        """Note the blocks that a committed batch made whole. Never waits, never raises."""
        for entry in batch.entries:
            if entry.seq % BLOCK_ENTRIES == 0:
                self._waiting[entry.channel_id] = None
                self._wake.set()

    async def _index_waiting(self) -> None:
        """Index each channel once. One that fails is left to its next block's writer, or to a
        search; the others are not.
        """
        while self._waiting:
            channel_id = next(iter(self._waiting))
            del self._waiting[channel_id]
            await self._build(channel_id)

    async def _build(self, channel_id: str) -> None:
        most = BUILT_AT_ONCE
        while await build_search_blocks(self._database, channel_id, most=most) == most:
            continue
