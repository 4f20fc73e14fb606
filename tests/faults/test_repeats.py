"""A send that is repeated is stored once, wherever and whenever it is repeated."""

import asyncio

import pytest

from examples.client import SEND, Api, Refused
from examples.server import RunningServer
from tests.faults.people import draft, sign_in_pair
from tests.faults.rows import count_messages


async def test_the_same_send_fifty_times_at_once_over_two_processes_is_stored_once(
    server: RunningServer, apis: list[Api]
) -> None:
    one, _, chat_id = await sign_in_pair(apis)

    answers = await asyncio.gather(
        *(apis[n % 2].ask(SEND, draft(chat_id, "once"), one.token) for n in range(50))
    )

    assert {(a["message"]["id"], a["message"]["seq"]) for a in answers} == {
        (f"msg_{chat_id.removeprefix('chn_')}_1", 1)
    }
    assert sorted(answer["replayed"] for answer in answers) == [False] + [True] * 49
    assert await count_messages(server, chat_id) == 1


async def test_drafts_that_differ_and_race_for_one_id_are_stored_once_and_the_others_conflict(
    server: RunningServer, apis: list[Api]
) -> None:
    one, _, chat_id = await sign_in_pair(apis)

    answers = await asyncio.gather(
        *(apis[n % 2].ask(SEND, draft(chat_id, f"{n}", "an id"), one.token) for n in range(20)),
        return_exceptions=True,
    )

    refusals = [answer for answer in answers if isinstance(answer, Refused)]
    assert [refused.code for refused in refusals] == ["CONFLICT"] * 19
    assert [answer["replayed"] for answer in answers if isinstance(answer, dict)] == [False]
    assert await count_messages(server, chat_id) == 1


async def test_a_repeat_after_the_process_was_killed_finds_the_first(
    server: RunningServer, apis: list[Api]
) -> None:
    one, _, chat_id = await sign_in_pair(apis)
    first = await apis[1].ask(SEND, draft(chat_id, "said"), one.token)
    dead = server.kill("api", 1)
    await server.is_back("api", 1, dead=dead)

    for api in (apis[0], Api(apis[1].port)):
        again = await api.ask(SEND, draft(chat_id, "said"), one.token)
        assert again == {"replayed": True, "message": first["message"]}
        with pytest.raises(Refused, match="CONFLICT"):
            await api.ask(SEND, draft(chat_id, "another", "said"), one.token)
        api.close()
    assert await count_messages(server, chat_id) == 1
