"""People who send without a pause, each message again until it is answered, and a book of what
was.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from examples.client import Device
from tests.waiting import eventually

SENDERS = 8


@dataclass
class Load:
    """What was answered: the seq of each text."""

    sender: Device
    channel_id: str
    answered: dict[str, int] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def send_in_turn(self) -> None:
        """Send new texts for ever."""
        while True:
            text = str(next(self._numbers))
            sent = await self.sender.send(self.channel_id, text, client_message_id=text)
            self.answered[text] = sent["message"]["seq"]

    async def has_more(self, count: int = 1) -> None:
        """So many more are answered than were when this was asked."""
        wanted = len(self.answered) + count
        await eventually(lambda: len(self.answered) >= wanted, within_s=60)

    async def find_lost(self) -> dict[str, int]:
        """Return what was answered, and is not stored as it was answered."""
        stored = {m["text"]: m["seq"] for m in await self.sender.history(self.channel_id)}
        return {text: seq for text, seq in self.answered.items() if stored.get(text) != seq}


@asynccontextmanager
async def sending(sender: Device, channel_id: str) -> AsyncIterator[Load]:
    """Have `SENDERS` send at once while the context lasts."""
    load = Load(sender, channel_id)
    tasks = [asyncio.create_task(load.send_in_turn()) for _ in range(SENDERS)]
    try:
        yield load
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()
