"""A transaction that stays open on one chat's row, as of a process that has stopped, holds up no
other chat.
"""

import asyncio
import json
import statistics
import time

from examples.client import SEND, Api, Device, NoAnswer
from examples.server import RunningServer
from models.limits.limits import Limits
from tests.faults.people import draft, sign_in, sign_in_pair, stored
from tests.faults.rows import count_waiting, held_channel
from tests.faults.sockets import open_socket, subscribe
from tests.waiting import eventually

# Less than any deadline that a batch could run into.
DELAYED_S = 0.3


async def seconds_of_sends(device: Device, chat_id: str, api: Api, count: int) -> list[float]:
    seconds = []
    for _ in range(count):
        started = time.monotonic()
        await api.ask(SEND, draft(chat_id, f"{started}"), device.token)
        seconds.append(time.monotonic() - started)
    return seconds


async def median_of_sends(device: Device, chats: list[str], apis: list[Api], count: int) -> float:
    """So many to each chat, at both processes; of all, how long one in the middle took."""
    measured = await asyncio.gather(
        *(seconds_of_sends(device, chat, apis[n % 2], count) for n, chat in enumerate(chats))
    )
    return statistics.median(second for part in measured for second in part)


async def test_delays_no_other_chat(server: RunningServer, apis: list[Api]) -> None:
    one, _, held_id = await sign_in_pair(apis)
    chats = []
    for _ in range(8):
        peer = await sign_in(apis)
        chats.append((await one.open_chat(peer))[0])

    before_s = await median_of_sends(one, chats, apis, 20)
    async with held_channel(server, held_id):
        blocked = [
            asyncio.create_task(apis[n % 2].ask(SEND, draft(held_id, f"{n}"), one.token))
            for n in range(10)
        ]
        meanwhile_s = await median_of_sends(one, chats, apis, 40)
        assert not any(task.done() for task in blocked)
    await asyncio.gather(*blocked)

    assert meanwhile_s < before_s + DELAYED_S


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
        answers = [json.loads(await asyncio.wait_for(socket.recv(), 60)) for _ in range(20)]

    sent = [a["payload"]["data"]["sendMessage"] for a in answers if a["type"] == "next"]
    assert [answer["replayed"] for answer in sent] == [False] * 10
    expected = [(n + 1, f"{n}") for n in range(10)]
    assert await stored(one, chat_id) == expected


async def test_sends_to_a_chat_that_stays_held_are_answered_within_5_s(
    server: RunningServer, apis: list[Api]
) -> None:
    one, _, chat_id = await sign_in_pair(apis)

    async with held_channel(server, chat_id):
        answers = await asyncio.gather(
            *(apis[0].ask(SEND, draft(chat_id, f"{n}"), one.token) for n in range(20)),
            return_exceptions=True,
        )

    # What the server says, not that it said nothing.
    assert {type(answer) for answer in answers} == {NoAnswer}
    assert not any(answer.__cause__ for answer in answers if isinstance(answer, NoAnswer))
    assert Limits().commit_deadline_s < 5
    assert await stored(one, chat_id) == []
