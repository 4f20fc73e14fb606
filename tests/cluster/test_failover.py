"""A primary of the cluster is killed under load: nothing is lost, and all is live again within 5 s,
typing and receipts too, which nothing but the cluster carries.
"""

import asyncio
import time
from collections.abc import Callable

import pytest

from subscriptions.nodes.node import Node, topic_of
from subscriptions.scripts import GROUPS, Groups
from tests.client import Json, SocketStream
from tests.cluster.servers import ValkeyCluster
from tests.make import Person
from tests.serving import ServedWith, Server
from tests.waiting import eventually

PROMISED_S = 5.0
PAUSE_S = 0.05
# What comes sooner was told before anybody had noticed.
NOT_BEFORE_S = 1.0
ENOUGH = 3
INBOX = """subscription { inbox { __typename
    ... on MessageAdded { seq }
    ... on ReceiptUpdated { deliveredSeq }
    ... on TypingUpdated { typing } } }"""
SET_TYPING = """mutation ($id: ID!, $typing: Boolean!) {
    setTyping(channelId: $id, typing: $typing) { __typename } }"""


class Heard:
    """What a stream gave, by type, each with the time when it came."""

    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream
        self.events: list[tuple[float, Json]] = []

    async def read(self) -> None:
        while True:
            event = await self._stream.event(60, repairs=True)
            self.events.append((time.monotonic(), event))

    def seqs(self) -> list[int]:
        return [event["seq"] for _, event in self.events if event["__typename"] == "MessageAdded"]

    def after(self, began: float, kind: str) -> list[float]:
        """Return when events of the kind came, in seconds after it began."""
        return [at - began for at, each in self.events if each["__typename"] == kind and at > began]


def node_of(server: Server) -> Node:
    return server.app._process.node


def tag_of_user(person: Person, other: Server) -> str:
    """What the keys begin with where it is written at which nodes the person is."""
    groups = Groups(other.app._process.node._registry._valkey, "registry")
    assert len(groups.tags) == GROUPS
    return groups.tag_of(person.user.id)


def topic_of_node(person: Person, other: Server) -> str:
    return topic_of(node_of(other).id)


@pytest.mark.parametrize("key_of", [tag_of_user, topic_of_node])
async def test_nothing_is_lost_and_all_is_live_again_when_a_primary_is_killed(
    alice: Person,
    bob: Person,
    chat: str,
    other_server: Server,
    served_with: ServedWith,
    valkey_cluster: ValkeyCluster,
    key_of: Callable[[Person, Server], str],
) -> None:
    async with (
        # Else typing is told each 3 s only.
        served_with(typing_interval_s=0.1) as here,
        alice.at(here).follow(INBOX) as near,
        bob.at(other_server).follow(INBOX) as far,
    ):
        hers, his = Heard(near), Heard(far)
        reading = [asyncio.create_task(each.read()) for each in (hers, his)]
        talking = asyncio.create_task(talk(alice.at(here), bob.at(other_server), chat))
        await eventually(lambda: hers.after(0, "ReceiptUpdated") and his.after(0, "TypingUpdated"))

        struck_at = time.monotonic()
        with valkey_cluster.killed(valkey_cluster.primary_of(key_of(bob, other_server))):
            live_s = await eventually(lambda: came_back(hers, his, struck_at))
            talking.cancel()
            answered = (await asyncio.gather(talking, return_exceptions=True))[0]
            sent = await alice.at(here).say(chat, "The last")
            await eventually(lambda: his.seqs()[-1:] == [sent["seq"]])

        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)

    assert isinstance(answered, asyncio.CancelledError)
    assert his.seqs() == list(range(1, sent["seq"] + 1)) == hers.seqs()
    assert live_s is not None
    assert live_s < PROMISED_S


async def talk(alice: Person, bob: Person, chat: str) -> None:
    """Send, type and acknowledge, again and again."""
    while True:
        await alice.mutate(SET_TYPING, id=chat, typing=True)
        sent = await alice.say(chat, "Are you there?")
        await alice.mutate(SET_TYPING, id=chat, typing=False)
        await bob.acknowledge(chat, delivered=sent["seq"])
        await asyncio.sleep(PAUSE_S)


def came_back(hers: Heard, his: Heard, struck_at: float) -> float | None:
    """Return after how many seconds the last of a message, a receipt and typing came live, once all
    have: each again and again, so that none of them was on its way before.
    """
    kinds = [
        his.after(struck_at, "MessageAdded"),
        his.after(struck_at, "TypingUpdated"),
        hers.after(struck_at, "ReceiptUpdated"),
    ]
    if not all(came and came[-1] > NOT_BEFORE_S and len(came) >= ENOUGH for came in kinds):
        return None
    return max(next(at for at in came if at > NOT_BEFORE_S) for came in kinds)
