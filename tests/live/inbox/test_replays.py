"""Many who come back at once and have much replayed take a share of their node, not all of it."""

import asyncio
import contextlib
from typing import cast

import pytest

from models import ids
from models.devices.viewer import Viewer
from models.log.committer import Committer
from models.postgresql.database import Database
from subscriptions.feed import Feed
from subscriptions.replays import READS_AT_ONCE
from tests.client import SocketStream, until
from tests.live.feeds import live
from tests.live.sockets.test_operations import held, waiting
from tests.make import Person, write_history
from tests.serving import ServedWith, Server
from tests.waiting import eventually

INBOX = "subscription { inbox { __typename ... on MessageAdded { seq } } }"
# Each event reads receipts.
UNSHARED = """subscription ($id: ID!) { messageAdded(channelId: $id, afterSeq: 0) {
    seq receipts(first: 1) { nodes { __typename } } } }"""
DEVICES = "{ devices { id } }"
HISTORY = 350
STREAMS = 20
# Entries that a slice of time could have room for, on a fast machine.
IN_A_SLICE = 40


async def test_replays_leave_connections_to_those_who_ask(
    alice: Person, bob: Person, chat: str, other_database: Database, served_with: ServedWith
) -> None:
    """PostgreSQL is held up for whatever reads messages; asking for something else goes on."""
    await alice.say(chat, "1")
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(served_with())
        sockets = [await stack.enter_async_context(bob.at(server).socket()) for _ in range(STREAMS)]
        async with held(other_database, "messages"):
            streams = [await socket.subscribe(INBOX) for socket in sockets]
            await eventually(lambda: len(server.app._process.hub.feeds()) == STREAMS)
            await waiting(other_database, READS_AT_ONCE)

            assert await alice.at(server).query(DEVICES)

            await waiting(other_database, READS_AT_ONCE)
        for stream in streams:
            assert len(await until(stream, "InboxReady")) == 2


async def test_one_who_opens_many_streams_does_not_keep_another_waiting(
    alice: Person,
    bob: Person,
    chat: str,
    committer: Committer,
    other_database: Database,
    served_with: ServedWith,
) -> None:
    """Alice's streams all wait before Bob's."""
    await write_history(committer, alice, chat, HISTORY)
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(served_with())
        mine = alice.at(server)
        sockets = [await stack.enter_async_context(mine.socket()) for _ in range(STREAMS)]
        ready: list[str] = []

        async def follow(stream: SocketStream, name: str) -> None:
            await until(stream, "InboxReady")
            ready.append(name)

        async with held(other_database, "messages"):
            streams = [await socket.subscribe(INBOX) for socket in sockets]
            await eventually(lambda: len(server.app._process.hub.feeds()) == STREAMS)
            await waiting(other_database, READS_AT_ONCE)
            socket = await stack.enter_async_context(bob.at(server).socket())
            others = await socket.subscribe(INBOX)
            await eventually(lambda: len(server.app._process.hub.feeds()) == STREAMS + 1)
        await asyncio.gather(
            follow(others, "bob"), *(follow(stream, "alice") for stream in streams)
        )

    assert ready.index("bob") <= READS_AT_ONCE


async def test_a_rendering_that_reads_waits_for_a_turn_too(
    alice: Person, chat: str, other_database: Database, served_with: ServedWith
) -> None:
    for text in ("1", "2"):
        await alice.say(chat, text)
    async with served_with() as server, alice.at(server).socket() as socket:
        async with held(other_database, "receipts"):
            for _ in range(STREAMS):
                await socket.subscribe(UNSHARED, id=chat)
            await waiting(other_database, READS_AT_ONCE)

        answers = [await socket.receive() for _ in range(2 * STREAMS)]
        assert {answer["type"] for answer in answers} == {"next"}
        await live(alice.at(server), "messages", STREAMS)


@pytest.mark.parametrize("streams", [1, 10])
async def test_the_loop_turns_however_many_replays_there_are(
    alice: Person, chat: str, committer: Committer, server: Server, streams: int
) -> None:
    await write_history(committer, alice, chat, HISTORY)
    resources = server.app._process.resources
    channel_id = ids.parse_plain("chn", chat)
    assert channel_id is not None
    viewer = await resources.sessions.authenticate(f"Bearer {alice.token}")
    assert isinstance(viewer, Viewer)
    feeds = [
        cast(Feed, await resources.live.follow_messages(viewer, channel_id, 0))
        for _ in range(streams)
    ]

    in_a_turn = most = 0

    async def replay(place: int) -> int:
        nonlocal in_a_turn, most
        count = 0
        async for _ in feeds[place].replay():
            count += 1
            in_a_turn += 1
            most = max(most, in_a_turn)
            sum(range(30_000))  # as a rendering that costs much
        feeds[place].end()
        return count

    async def turn() -> None:
        nonlocal in_a_turn
        while True:
            await asyncio.sleep(0)
            in_a_turn = 0

    turning = asyncio.create_task(turn())
    counts = await asyncio.gather(*(replay(place) for place in range(streams)))
    turning.cancel()

    assert counts == [HISTORY] * streams
    assert most <= IN_A_SLICE
