"""A reader that does not read hurts nobody: its socket is closed with 1013, and it resumes by
position.
"""

import asyncio
import json
import subprocess
from pathlib import Path

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from examples.client import INBOX, Api, Device
from examples.server import RunningServer
from tests.faults.people import reading, sign_in_pair, stored
from tests.faults.sockets import open_socket, subscribe
from tests.waiting import eventually

# More than the kernel's buffers and a socket's queue hold together; with the rest, fewer than are
# replayed.
MESSAGES = 200
REST = 700
TEXT = "…" * 4000
GROWTH_BYTES = 20 * 1024 * 1024


def resident_bytes(pid: int) -> int:
    words = ["ps", "-o", "rss=", "-p", str(pid)]
    return 1024 * int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def server_holds(connection: ClientConnection) -> bool:
    """Whether the connection's other end still is somebody's. Looked up on Linux only."""
    table = Path("/proc/net/tcp")
    ends = [
        f":{address[1]:04X}" for address in (connection.remote_address, connection.local_address)
    ]
    for line in table.read_text().splitlines()[1:] if table.exists() else ():
        words = line.split()
        if words[1].endswith(ends[0]) and words[2].endswith(ends[1]):
            inode = words[9]
            return inode != "0"
    return False


async def read_to_the_end(connection: ClientConnection) -> tuple[list[int], int | None]:
    """Return the seqs that it was still given, and the code with which it was closed."""
    seqs = []
    try:
        while True:
            event = json.loads(await asyncio.wait_for(connection.recv(), 60))
            seqs.append(event["payload"]["data"]["inbox"]["seq"])
    except ConnectionClosed as closed:
        return seqs, closed.rcvd.code if closed.rcvd else None


async def send_all(device: Device, chat_id: str, start: int, count: int) -> None:
    async def send(numbers: range) -> None:
        for n in numbers:
            await device.send(chat_id, f"{n} {TEXT}")

    await asyncio.gather(*(send(range(start + n, start + count, 10)) for n in range(10)))


async def test_is_closed_with_1013_while_others_get_everything_and_memory_is_bounded(
    server: RunningServer, apis: list[Api]
) -> None:
    one, other, chat_id = await sign_in_pair(apis)
    pid = server.pid("api", 1)
    after = {"after": [{"channelId": chat_id, "seq": 100}]}
    await send_all(one, chat_id, 0, 100)

    async with (
        reading(other, {chat_id: 0}) as healthy,
        open_socket(apis[1], other.token, receive_buffer_bytes=4096) as slow,
        open_socket(apis[1], other.token, receive_buffer_bytes=4096) as slower,
    ):
        await healthy.has(chat_id, 100)
        before_bytes = resident_bytes(pid)
        for connection in (slow, slower):
            await subscribe(connection, "1", INBOX, after)
            assert "InboxReady" in str(await connection.recv())
        await send_all(one, chat_id, 100, MESSAGES)

        # One reads again, and is told; the other never does.
        seqs, close_code = await read_to_the_end(slow)
        await send_all(one, chat_id, 100 + MESSAGES, REST)
        await healthy.has(chat_id, 100 + MESSAGES + REST)
        growth_bytes = resident_bytes(pid) - before_bytes
        await eventually(lambda: not server_holds(slower))

    assert close_code == 1013
    position = 100 + len(seqs)
    assert seqs == list(range(101, position + 1))
    assert position < 100 + MESSAGES
    assert growth_bytes < GROWTH_BYTES
    assert healthy.inbox.closed_with == []
    history = await stored(one, chat_id)
    assert healthy.entries[chat_id] == history
    async with reading(other, {chat_id: position}) as resumed:
        await resumed.has(chat_id, 100 + MESSAGES + REST - position)
    assert resumed.entries[chat_id] == history[position:]
