"""The connection to PostgreSQL breaks, or PostgreSQL does: every send is answered and stored
once.
"""

import asyncio
import random
import time
from pathlib import Path

from examples.client import SEND, Api, Device, Json
from examples.server import RunningServer
from examples.two_people import Conversation
from tests.citus.cluster import Cluster
from tests.faults.another_api import another_api
from tests.faults.people import draft, reading, sign_in_pair, stored
from tests.faults.proxy import Link, Proxy, proxy
from tests.faults.rows import nobody_relays

SENDS = 300
CUTS = 20
# What only a committer's connection says.
APPEND = b" FROM append_"
# The message that begins an execution, after what prepared it.
BIND = b"B"


class Cuts:
    """Cuts the committer's connection at random batches: before the batch, after it and before its
    answer, or within the answer.
    """

    def __init__(self, between: Proxy) -> None:
        self.left = CUTS
        self._next: str | None = None
        self._random = random.Random(3)
        between.to_server = self.judge_batch
        between.to_client = self.judge_answer

    def judge_batch(self, link: Link, passing: bytes) -> int | None:
        if APPEND not in link.client_said or not passing.startswith(BIND) or not self.left:
            return None
        if self._random.random() > 0.3:
            return None
        place = self._random.choice(["before", "after", "after", "within"])
        if place == "before":
            self.left -= 1
            return len(passing) // 2
        self._next = place
        return None

    def judge_answer(self, link: Link, passing: bytes) -> int | None:
        if APPEND not in link.client_said or self._next is None:
            return None
        self.left -= 1
        place, self._next = self._next, None
        return 0 if place == "after" else len(passing) // 2


async def test_when_the_connection_breaks_during_commit_every_send_is_answered_and_stored_once(
    server: RunningServer, apis: list[Api], tmp_path: Path
) -> None:
    one, other, chat_id = await sign_in_pair(apis)
    numbers = iter(range(SENDS))
    answers: list[Json] = []

    async def send_in_turn(api: Api) -> None:
        for n in numbers:
            answers.append(await api.ask(SEND, draft(chat_id, f"{n}"), one.token))

    async with (
        proxy(server.address("postgresql").port or 0, (APPEND,)) as between,
        another_api(server, tmp_path / "log", database_port=between.port) as api,
        reading(other, {chat_id: 0}) as reader,
    ):
        cuts = Cuts(between)
        await asyncio.gather(*(send_in_turn(api) for _ in range(4)))
        assert cuts.left == 0
        await reader.has(chat_id, SENDS)

    assert [answer["replayed"] for answer in answers] == [False] * SENDS
    assert sorted(answer["message"]["seq"] for answer in answers) == list(range(1, SENDS + 1))
    assert sorted(int(text) for _, text in await stored(one, chat_id)) == list(range(SENDS))


async def send_and_lose_the_answer_of_the_commit(
    between: Proxy, api: Api, device: Device, chat_id: str, text: str
) -> None:
    """The process learns that it is stored only by trying again, and has nothing to dispatch."""
    cuts = 0

    def cut_once(link: Link, passing: bytes) -> int | None:
        nonlocal cuts
        if cuts or APPEND not in link.client_said:
            return None
        cuts += 1
        return 0

    between.to_client = cut_once
    answer = await api.ask(SEND, draft(chat_id, text), device.token)
    assert (cuts, answer["replayed"]) == (1, False)


async def test_a_message_whose_commit_was_cut_off_arrives_though_nothing_follows(
    server: RunningServer, apis: list[Api], tmp_path: Path
) -> None:
    one, other, chat_id = await sign_in_pair(apis)
    async with (
        proxy(server.address("postgresql").port or 0, (APPEND,)) as between,
        another_api(server, tmp_path / "log", database_port=between.port) as api,
        reading(other, {chat_id: 0}) as reader,
    ):
        await api.ask(SEND, draft(chat_id, "first"), one.token)

        await send_and_lose_the_answer_of_the_commit(between, api, one, chat_id, "last")
        await reader.has(chat_id, 2)


async def test_a_message_whose_commit_was_cut_off_arrives_when_another_follows_before_a_relay_comes(
    server: RunningServer, apis: list[Api], tmp_path: Path
) -> None:
    one, other, chat_id = await sign_in_pair(apis)
    async with (
        nobody_relays(server),
        proxy(server.address("postgresql").port or 0, (APPEND,)) as between,
        another_api(server, tmp_path / "log", database_port=between.port) as api,
        reading(other, {chat_id: 0}) as reader,
    ):
        await api.ask(SEND, draft(chat_id, "first"), one.token)

        await send_and_lose_the_answer_of_the_commit(between, api, one, chat_id, "cut off")
        await one.send(chat_id, "following")
        await reader.has(chat_id, 3)

    assert [text for _, text in reader.entries[chat_id]] == ["first", "cut off", "following"]


async def kill_postgresql(server: RunningServer, cluster: Cluster | None) -> float:
    if cluster:
        for node in (cluster.coordinator, cluster.workers[0]):
            cluster.kill(node)
        return time.monotonic()
    dead = server.kill("postgresql")
    return await server.is_back("postgresql", dead=dead)


async def test_killing_postgresql_loses_no_answered_send(
    server: RunningServer, talk: Conversation, cluster: Cluster | None
) -> None:
    await talk.talk(100, strike=kill_postgresql(server, cluster))

    await talk.all_arrived()
    await talk.check()
