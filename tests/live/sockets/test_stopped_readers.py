"""A client that reads nothing of what waits for it is ended soon, however little waits, and over
both transports; others go on.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from examples.client import Api
from models import ids
from models.close_codes import CloseCode
from models.log.committer import Committer
from models.log.drafts import Draft
from models.messages.messages import MessageKind
from tests.client import until
from tests.faults.sockets import open_socket, subscribe
from tests.live.feeds import live
from tests.make import Person
from tests.serving import ServedWith, Server
from tests.waiting import eventually

INBOX = "subscription { inbox { __typename ... on MessageAdded { seq message { text } } } }"
# More than the kernel's buffers hold.
MESSAGES = 600
TEXT = "…" * 4000
RECEIVE_BUFFER_BYTES = 4096


async def write_long_history(committer: Committer, sender: Person, chat: str) -> None:
    channel_id = ids.parse_plain("chn", chat)
    assert channel_id is not None
    now = datetime.now(UTC)
    await asyncio.gather(
        *(
            committer.send(
                Draft(channel_id, sender.user, f"long-{n}", MessageKind.TEXT, now, f"{n} {TEXT}")
            )
            for n in range(MESSAGES)
        )
    )


def feeds(server: Server) -> int:
    return len(server.app._process.hub.feeds())


async def read_on(connection: ClientConnection) -> tuple[int, int | None]:
    """Return how many events still come, and the code that ends them."""
    count = 0
    try:
        while True:
            await asyncio.wait_for(connection.recv(), 60)
            count += 1
    except ConnectionClosed as closed:
        return count, closed.rcvd.code if closed.rcvd else None


async def test_a_socket_that_stops_in_its_replay_is_closed_with_1013(
    alice: Person, bob: Person, chat: str, committer: Committer, served_with: ServedWith
) -> None:
    await write_long_history(committer, alice, chat)
    async with served_with(stopped_reader_s=0.5) as server:
        api, device = Api(server.port), bob.at(server)
        async with (
            open_socket(api, bob.token or "", receive_buffer_bytes=RECEIVE_BUFFER_BYTES) as slow,
            device.follow(INBOX) as healthy,
        ):
            await until(healthy, "InboxReady")
            await subscribe(slow, "1", INBOX, {})
            await live(device, "inbox", 1)
            await eventually(lambda: feeds(server) == 2)

            await eventually(lambda: feeds(server) == 1)

            count, code = await read_on(slow)
            await alice.at(server).say(chat, "still here")
            assert (await healthy.event())["message"]["text"] == "still here"
        api.close()
    assert code == CloseCode.TRY_AGAIN_LATER
    assert count < MESSAGES


async def test_a_stream_that_stops_in_its_replay_is_cut(
    alice: Person, bob: Person, chat: str, committer: Committer, served_with: ServedWith
) -> None:
    await write_long_history(committer, alice, chat)
    async with served_with(stopped_reader_s=0.5) as server, open_stream(bob, server) as stream:
        await eventually(lambda: feeds(server) == 1)

        await eventually(lambda: feeds(server) == 0)

        rest = await asyncio.wait_for(stream.read(), 60)
    assert b"event: next" in rest
    assert b"event: complete" not in rest
    assert not rest.endswith(b"0\r\n\r\n")


async def test_a_stream_that_stops_is_bounded_in_bytes(
    alice: Person, bob: Person, chat: str, served_with: ServedWith
) -> None:
    """Long before a thousand events wait for it; what the kernel keeps is bounded as well."""
    bounds = {"queued_bytes_per_socket": 100_000, "stopped_reader_s": 60}
    async with served_with(**bounds) as server, open_stream(bob, server):
        await live(bob.at(server), "inbox")
        sent = 0
        while feeds(server):
            await asyncio.gather(*(alice.say(chat, TEXT) for _ in range(10)))
            sent += 10
            assert sent * len(TEXT.encode()) < 1_000_000


@asynccontextmanager
async def open_stream(person: Person, server: Server) -> AsyncIterator[asyncio.StreamReader]:
    """The person's inbox as server-sent events, of which only the beginning is read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    connection.connect(("127.0.0.1", server.port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=1024)
    body = json.dumps({"query": INBOX}).encode()
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: {server.host}\r\nContent-Type: application/json\r\n"
        f"Accept: text/event-stream\r\nAuthorization: Bearer {person.token}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await asyncio.wait_for(reader.readuntil(b":\n\n"), 60)
    try:
        yield reader
    finally:
        writer.close()
