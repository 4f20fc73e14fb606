"""The operations of a socket: each counts until it has ended, a query ends when nobody waits for it
any more, and a mutation always runs to its end.

A table is held here, so that what reads or writes it waits for as long as a test wants.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from models.close_codes import CloseCode
from models.postgresql.database import Database
from tests.client import Json, Socket, ending, events, until
from tests.locks import count_waiting
from tests.make import SEND, Person
from tests.serving import ServedWith
from tests.waiting import eventually

HISTORY = "query ($id: ID!) { channel(id: $id) { messages(last: 50) { nodes { text } } } }"
INBOX = "subscription { inbox { __typename } }"
VIEWER = "{ viewer { name } }"


@asynccontextmanager
async def held(database: Database, table: str) -> AsyncIterator[None]:
    """Nobody else reads or writes the table meanwhile."""
    async with database.transaction() as connection:
        await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


async def waiting(database: Database, count: int) -> None:
    """So many statements wait for what is held, but for those by which nodes look for sessions
    that have ended.
    """

    async def wait() -> bool:
        return await count_waiting(database, but="revoked_at >") == count

    await eventually(wait)


async def texts(person: Person, chat: str) -> list[str]:
    answer = await person.query(HISTORY, id=chat)
    return [node["text"] for node in answer["channel"]["messages"]["nodes"]]


async def send(socket: Socket, operation_id: str, draft: Json) -> None:
    await socket.subscribe(SEND, operation_id, input=draft)


async def complete(socket: Socket, *operation_ids: str) -> None:
    for operation_id in operation_ids:
        await socket.send({"id": operation_id, "type": "complete"})


async def test_mutations_that_nobody_waits_for_count_until_they_have_ended(
    alice: Person, chat: str, other_database: Database, served_with: ServedWith
) -> None:
    async with served_with(operations_per_socket=3) as server, alice.at(server).socket() as socket:
        async with held(other_database, "messages"):
            for name in ("1", "2", "3"):
                await send(socket, name, alice.draft(chat, name))
            await complete(socket, "1", "2", "3")

            refused = await ending(await socket.subscribe(VIEWER, "4"))

        async def is_let_in() -> bool:
            end = await ending(await socket.subscribe(VIEWER))
            return end.complete

        assert refused.codes == ["LIMIT_EXCEEDED"]
        await eventually(is_let_in)
    assert sorted(await texts(alice, chat)) == ["1", "2", "3"]


async def test_a_flood_of_queries_that_are_completed_at_once_runs_no_more_than_the_limit(
    alice: Person, chat: str, other_database: Database, served_with: ServedWith
) -> None:
    """Each is completed before the next, and none of them may be left behind."""
    async with served_with(operations_per_socket=3) as server:
        before = len(asyncio.all_tasks())
        async with alice.at(server).socket() as socket, held(other_database, "messages"):
            for n in range(200):
                await socket.subscribe(HISTORY, str(n), id=chat)
                await complete(socket, str(n))
            await socket.send({"type": "ping"})
            while (await socket.receive())["type"] != "pong":
                pass

            # Those of the socket itself, of three operations, and of their statements' endings.
            assert len(asyncio.all_tasks()) - before < 20
            await waiting(other_database, 0)


async def test_a_query_ends_when_it_is_completed(
    alice: Person, chat: str, other_database: Database
) -> None:
    async with alice.socket() as socket, held(other_database, "messages"):
        await socket.subscribe(HISTORY, "1", id=chat)
        await waiting(other_database, 1)

        await complete(socket, "1")

        await waiting(other_database, 0)


async def test_queries_end_with_their_socket(
    alice: Person, chat: str, other_database: Database
) -> None:
    async with held(other_database, "messages"):
        async with alice.socket() as socket:
            for n in range(4):
                await socket.subscribe(HISTORY, str(n), id=chat)
            await waiting(other_database, 4)

        await waiting(other_database, 0)


async def test_a_query_over_http_ends_when_its_client_goes(
    alice: Person, chat: str, other_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with held(other_database, "messages"):
        asking = [asyncio.create_task(alice.post(HISTORY, id=chat)) for _ in range(3)]
        await waiting(other_database, 3)

        for each in asking:
            each.cancel()

        await waiting(other_database, 0)
    assert await texts(alice, chat) == []
    assert caplog.records == []


async def test_a_mutation_over_http_runs_to_its_end_when_its_client_goes(
    alice: Person, chat: str, other_database: Database
) -> None:
    async with held(other_database, "messages"):
        asking = asyncio.create_task(alice.say(chat, "said"))
        await waiting(other_database, 1)
        asking.cancel()
        await asyncio.wait({asking})
        await waiting(other_database, 1)

    async def is_there() -> bool:
        return await texts(alice, chat) == ["said"]

    await eventually(is_there)


async def test_a_query_ends_at_its_deadline_and_says_so(
    alice: Person, chat: str, other_database: Database, served_with: ServedWith
) -> None:
    async with (
        served_with(request_deadline_s=0.3) as server,
        alice.at(server).socket() as socket,
        held(other_database, "messages"),
    ):
        end = await ending(await socket.subscribe(HISTORY, id=chat))

        assert end.codes == ["UNAVAILABLE"]
        await waiting(other_database, 0)
        assert await socket.query(VIEWER) == {"viewer": {"name": "Alice"}}


async def test_a_subscription_that_cannot_begin_ends_at_its_deadline(
    alice: Person, chat: str, other_database: Database, served_with: ServedWith
) -> None:
    document = "subscription ($id: ID!) { messageAdded(channelId: $id) { seq } }"
    async with (
        served_with(request_deadline_s=0.3) as server,
        alice.at(server).socket() as socket,
        held(other_database, "members"),
    ):
        end = await ending(await socket.subscribe(document, id=chat))

        assert end.codes == ["UNAVAILABLE"]
        await waiting(other_database, 0)
        assert server.app._process.hub.feeds() == []


@pytest.mark.parametrize("end", ["complete", "close", "deadline"])
async def test_a_mutation_runs_to_its_end_whatever_ends_the_waiting(
    alice: Person, chat: str, other_database: Database, served_with: ServedWith, end: str
) -> None:
    async with (
        served_with(request_deadline_s=0.3 if end == "deadline" else 5) as server,
        alice.at(server).socket() as socket,
        held(other_database, "messages"),
    ):
        await send(socket, "1", alice.draft(chat, "said"))
        await waiting(other_database, 1)
        if end == "complete":
            await complete(socket, "1")
        elif end == "deadline":
            answer = await socket.receive()
            assert answer["payload"][0]["extensions"]["code"] == "UNAVAILABLE"
        else:
            await socket.connection.close()
        await waiting(other_database, 1)
    assert await texts(alice, chat) == ["said"]


async def test_a_deploy_waits_for_a_mutation_on_a_socket_when_all_else_is_closed(
    alice: Person, chat: str, other_database: Database, served_with: ServedWith
) -> None:
    async with (
        served_with() as server,
        alice.at(server).socket() as socket,
        alice.at(server).listen(INBOX) as stream,
    ):
        await until(stream, "InboxReady")
        async with held(other_database, "messages"):
            await send(socket, "1", alice.draft(chat, "said"))
            await waiting(other_database, 1)

            draining = asyncio.create_task(server.app.drain())

            assert await socket.close_code() == CloseCode.SERVICE_RESTART
            assert not (await ending(stream)).complete
            await waiting(other_database, 1)
            assert not draining.done()
        await draining
        assert await texts(alice, chat) == ["said"]


async def test_who_waits_for_the_same_read_is_not_cancelled_with_another(
    alice: Person, chat: str, other_database: Database
) -> None:
    async with alice.socket() as one, alice.socket() as other:
        async with held(other_database, "devices"):
            alice.server.app._process.resources.sessions.forget(alice.inner_device_id)
            await one.subscribe(VIEWER, "1")
            await waiting(other_database, 1)
            stream = await other.subscribe(VIEWER, "1")
            await complete(one, "1")
            await one.send({"type": "ping"})
            assert await one.receive() == {"type": "pong"}
            await waiting(other_database, 1)

        assert await stream.event() == {"name": "Alice"}


async def test_a_place_that_a_completed_subscription_held_can_be_taken_at_once(
    alice: Person, served_with: ServedWith
) -> None:
    """Also when both messages come in one piece."""
    async with served_with(operations_per_socket=1) as server, alice.at(server).socket() as socket:
        await events(await socket.subscribe(INBOX, "1"), 1)
        connection = socket.connection
        messages = (
            {"id": "1", "type": "complete"},
            {"id": "2", "type": "subscribe", "payload": {"query": INBOX}},
        )
        for message in messages:
            connection.protocol.send_text(json.dumps(message).encode())
        connection.send_data()

        assert (await socket.receive())["type"] == "next"
