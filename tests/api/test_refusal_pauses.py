"""Who passes a budget is heard more slowly on that connection, and nobody else is."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from models.limits import Budget
from tests.client import Socket
from tests.make import Person
from tests.serving import ServedWith, Server


@pytest_asyncio.fixture
async def slow(served_with: ServedWith) -> AsyncIterator[Server]:
    """A node where nobody may type or read, and who tries waits half a second."""
    none = Budget(amount=0, window_s=60)
    async with served_with(
        typing_per_user=none, searches_per_user=none, refusal_pause_s=0.5
    ) as node:
        yield node


SET_TYPING = 'mutation { setTyping(channelId: "x", typing: true) { __typename } }'
SEARCH = '{ searchMessages(query: "x") { nodes { seq } } }'


@pytest.mark.parametrize("document", [SET_TYPING, SEARCH], ids=["mutation", "query"])
async def test_who_was_refused_waits_over_http_and_nobody_else(
    slow: Server, alice: Person, bob: Person, document: str
) -> None:
    refused = asyncio.create_task(alice.at(slow).post(document))
    for _ in range(3):
        assert await bob.at(slow).errors("{ viewer { id } }") == []

    assert not refused.done()
    assert "RATE_LIMITED" in (await refused).text or document is SET_TYPING


@pytest.mark.parametrize("document", [SET_TYPING, SEARCH], ids=["mutation", "query"])
async def test_a_socket_is_not_heard_for_a_while_after_a_refusal(
    slow: Server, alice: Person, bob: Person, document: str
) -> None:
    async with alice.at(slow).socket() as socket, bob.at(slow).socket() as other:
        await socket.subscribe(document)
        await socket.receive()
        await socket.send({"type": "ping"})
        pong = asyncio.create_task(_pong(socket))
        for _ in range(3):
            await other.query("{ viewer { id } }")

        assert not pong.done()
        await pong


async def test_who_sends_too_many_frames_is_heard_more_slowly_and_refused_nothing(
    served_with: ServedWith, alice: Person, bob: Person
) -> None:
    """Whatever is in them: these begin queries and complete them before they run."""
    few = Budget(amount=60, window_s=600)
    async with (
        served_with(frames_per_user=few, refusal_pause_s=0.2) as node,
        alice.at(node).socket() as socket,
        bob.at(node).socket() as other,
    ):
        for n in range(45):
            await socket.send({"id": str(n), "type": "subscribe", "payload": {"query": "{ a }"}})
            await socket.send({"id": str(n), "type": "complete"})
        await socket.send({"type": "ping"})
        pong = asyncio.create_task(_pong(socket))
        for _ in range(3):
            await other.query("{ viewer { id } }")

        assert not pong.done()
        pong.cancel()


async def _pong(socket: Socket) -> None:
    while (await socket.receive())["type"] != "pong":
        pass
