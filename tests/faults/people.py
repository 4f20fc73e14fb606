"""Numbers for people, and readers that note what comes to them."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from examples.client import Api, Device, Inbox, Json, OutOfOrder
from tests.waiting import eventually

_numbers = itertools.count(2000)


def new_number() -> str:
    return f"+1415555{next(_numbers):04}"


async def sign_in(apis: Sequence[Api], name: str = "Somebody") -> Device:
    return await Device.sign_in(apis, new_number(), name)


async def sign_in_pair(apis: Sequence[Api]) -> tuple[Device, Device, str]:
    """Return two people, the second at the other process, and the id of their empty chat."""
    one, other = await sign_in(apis), await sign_in(apis[::-1])
    chat_id, seq = await one.open_chat(other)
    assert seq == 0
    return one, other, chat_id


def draft(channel_id: str, text: str, client_message_id: str | None = None) -> Json:
    """Return the variables of a send whose id is its text, if nothing else is said."""
    message = {
        "channelId": channel_id,
        "clientMessageId": client_message_id or text,
        "text": text,
    }
    return {"input": message}


class Reader:
    """What an inbox gave, by channel; whatever is not in order ends it."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox
        self.entries: dict[str, list[tuple[int, str]]] = {}
        self.ready = False
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for event in self.inbox:
            match event["__typename"]:
                case "InboxReady":
                    self.ready = True
                case "ResyncRequired":
                    raise OutOfOrder("told to fetch the chat anew")
                case "MessageAdded":
                    entry = (event["seq"], event["message"]["text"])
                    self.entries.setdefault(event["channelId"], []).append(entry)

    async def has(self, channel_id: str, count: int, within_s: float = 60) -> None:
        """So many entries of the channel are there."""

        def there() -> bool:
            if self._task.done():
                self._task.result()
            return len(self.entries.get(channel_id, ())) >= count

        await eventually(there, within_s)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()


@asynccontextmanager
async def reading(device: Device, positions: Mapping[str, int]) -> AsyncIterator[Reader]:
    reader = Reader(device.inbox(positions))
    try:
        await eventually(lambda: reader.ready)
        yield reader
    finally:
        await reader.close()


async def stored(device: Device, channel_id: str) -> list[tuple[int, str]]:
    """Return the history, page by page, as a reader notes it."""
    return [(m["seq"], m["text"]) for m in await device.history(channel_id)]
