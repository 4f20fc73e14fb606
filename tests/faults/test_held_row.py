"""A transaction that stays open on one chat's row, as of a process that has stopped, holds up no
other chat.
"""

import asyncio
import json
import time

from examples.client import SEND, Api, Device, NoAnswer
from examples.server import RunningServer
from tests.faults.people import draft, sign_in, sign_in_pair, stored
from tests.faults.rows import count_waiting, held_channel
from tests.faults.sockets import open_socket, subscribe
from tests.waiting import eventually

OTHERS_WITHIN_S = 0.3
ANSWERED_WITHIN_S = 5


async def seconds_of_sends(device: Device, chat_id: str, api: Api, count: int) -> list[float]:
    seconds = []
    for _ in range(count):
        started = time.monotonic()
        await api.ask(SEND, draft(chat_id, f"{started}"), device.token)
        seconds.append(time.monotonic() - started)
    return seconds


async def test_delays_no_other_chat(server: RunningServer, apis: list[Api]) -> None:
    one, _, held_id = await sign_in_pair(apis)
    chats = []
    for _ in range(8):
        peer = await sign_in(apis)
        chats.append((await one.open_chat(peer))[0])

    async with held_channel(server, held_id):
        blocked = [
            asyncio.create_task(apis[n % 2].ask(SEND, draft(held_id, f"{n}"), one.token))
            for n in range(10)
        ]
        measured = await asyncio.gather(
            *(seconds_of_sends(one, chat, apis[n % 2], 40) for n, chat in enumerate(chats))
        )
        assert not any(task.done() for task in blocked)
    await asyncio.gather(*blocked)

    seconds = sorted(second for part in measured for second in part)
    assert seconds[len(seconds) * 99 // 100] < OTHERS_WITHIN_S


async def test_what_waited_is_stored_in_the_order_of_sending_once_it_is_let_go(
    server: RunningServer, apis: list[Api]
) -> None:
    one, _, chat_id = await sign_in_pair(apis)

    async with open_socket(apis[0], one.token) as socket:
        async with held_channel(server, chat_id):
            for n in range(5):
                await subscribe(socket, f"{n}", SEND, draft(chat_id, f"{n}"))
            await eventually(lambda: count_waiting(server))
            for n in range(5, 10):
                await subscribe(socket, f"{n}", SEND, draft(chat_id, f"{n}"))
            # The socket has taken all of them.
            await socket.send('{"type": "ping"}')
            assert json.loads(await socket.recv())["type"] == "pong"
        answers = [json.loads(await asyncio.wait_for(socket.recv(), 5)) for _ in range(20)]

    sent = [a["payload"]["data"]["sendMessage"] for a in answers if a["type"] == "next"]
    assert [answer["replayed"] for answer in sent] == [False] * 10
    expected = [(n + 1, f"{n}") for n in range(10)]
    assert await stored(one, chat_id) == expected


async def test_sends_to_a_chat_that_stays_held_are_answered_within_5_s(
    server: RunningServer, apis: list[Api]
) -> None:
    one, _, chat_id = await sign_in_pair(apis)

    async def refused_after() -> float:
        started = time.monotonic()
        try:
            await apis[0].ask(SEND, draft(chat_id, f"{started}"), one.token)
        except NoAnswer:
            return time.monotonic() - started
        raise AssertionError("it was stored")

    async with held_channel(server, chat_id):
        seconds = await asyncio.gather(*(refused_after() for _ in range(20)))

    assert max(seconds) < ANSWERED_WITHIN_S
    assert await stored(one, chat_id) == []
