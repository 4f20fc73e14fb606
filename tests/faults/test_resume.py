"""A reader that is cut at any byte, and again, goes on after its position: each entry once, in
order.
"""

import asyncio
import random

from examples.client import Api, Device
from examples.server import RunningServer
from tests.faults.people import reading, sign_in_pair, stored
from tests.faults.proxy import Link, Proxy, proxy

READERS = 10
CUTS_EACH = 10
MESSAGES = 400


class Cuts:
    """Cuts each of a reader's connections after a number of bytes, drawn from what three or four
    messages take.
    """

    def __init__(self, between: Proxy, seed: int) -> None:
        self.left = CUTS_EACH
        self._random = random.Random(seed)
        self._after: dict[Link, int] = {}
        between.to_client = self.judge

    def judge(self, link: Link, passing: bytes) -> int | None:
        if not self.left:
            return None
        after = self._after.setdefault(link, self._random.randrange(100, 2000))
        if link.to_client_bytes + len(passing) < after:
            return None
        self.left -= 1
        return max(0, after - link.to_client_bytes)


async def read_through_cuts(
    api: Api, device: Device, chat_id: str, seed: int
) -> list[tuple[int, str]]:
    async with proxy(api.port) as between:
        cuts = Cuts(between, seed)
        between_api = Api(between.port)
        async with reading(device.at(between_api), {chat_id: 0}) as reader:
            await reader.has(chat_id, MESSAGES)
        assert cuts.left == 0
    return reader.entries[chat_id]


async def test_a_hundred_cuts_while_messages_flow_leave_no_gap_and_no_repeat(
    server: RunningServer, apis: list[Api]
) -> None:
    one, other, chat_id = await sign_in_pair(apis)

    async def send() -> None:
        for n in range(MESSAGES):
            await one.send(chat_id, f"message {n}")

    seen, _ = await asyncio.gather(
        asyncio.gather(
            *(read_through_cuts(apis[n % 2], other, chat_id, seed=n) for n in range(READERS))
        ),
        send(),
    )

    assert seen == [await stored(one, chat_id)] * READERS
