"""API processes end, by a kill or by a deploy: no answered send is lost, and readers go on at
another process, where they were.
"""

import asyncio
import signal

from examples.client import SEND, Api
from examples.server import RunningServer
from examples.two_people import Conversation, kill_api
from models.close_codes import CloseCode
from parley.supervision.probes import http_status
from tests.faults.people import draft, sign_in_pair, stored
from tests.faults.rows import count_waiting, held_channel
from tests.waiting import eventually


async def deploy(server: RunningServer) -> float:
    """As a deploy ends a process: SIGTERM. When the next one answered."""
    dead = server.kill("api", 1, number=signal.SIGTERM)
    return await server.is_back("api", 1, dead=dead)


async def test_killing_a_process_loses_no_answered_send_and_no_reader_misses_or_repeats_an_entry(
    server: RunningServer, talk: Conversation
) -> None:
    alice, bob = talk.people

    await talk.talk(150, strike=kill_api(server))

    await talk.all_arrived()
    await talk.check()
    assert (alice.inbox.closed_with, bob.inbox.closed_with) == ([], [1006])


async def test_a_deploy_under_load_closes_sockets_with_1012_and_loses_nothing(
    server: RunningServer, talk: Conversation
) -> None:
    alice, bob = talk.people

    await talk.talk(150, strike=deploy(server))

    await talk.all_arrived()
    await talk.check()
    assert (alice.inbox.closed_with, bob.inbox.closed_with) == ([], [CloseCode.SERVICE_RESTART])


async def test_a_deploy_answers_the_sends_that_are_under_way(
    server: RunningServer, apis: list[Api]
) -> None:
    one, other, chat_id = await sign_in_pair(apis)
    dead = server.pid("api", 1)

    async with held_channel(server, chat_id):
        sends = [
            asyncio.create_task(apis[1].ask(SEND, draft(chat_id, f"{n}"), other.token))
            for n in range(20)
        ]
        await eventually(lambda: count_waiting(server))
        server.kill("api", 1, number=signal.SIGTERM)
        # It has begun to end: nobody new is let in.
        await eventually(lambda: http_status(apis[1].port, "/readyz") != 200)
    answers = await asyncio.gather(*sends)

    assert sorted(answer["message"]["seq"] for answer in answers) == list(range(1, 21))
    assert len(await stored(one, chat_id)) == 20
    await server.is_back("api", 1, dead=dead)
