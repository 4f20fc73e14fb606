"""A websocket without the example client's kindness: nothing is read, answered or mended by
itself.
"""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from examples.client import Api, Json


@asynccontextmanager
async def open_socket(
    api: Api, token: str, *, receive_buffer_bytes: int | None = None
) -> AsyncIterator[ClientConnection]:
    """Let in. With a receive buffer of its own it reads only what is asked for."""
    sock = None
    if receive_buffer_bytes is not None:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        sock.connect((api.host, api.port))
        sock.setblocking(False)
    async with connect(
        f"ws://{api.host}:{api.port}/graphql",
        sock=sock,
        subprotocols=[Subprotocol("graphql-transport-ws")],
        compression=None,
        proxy=None,
        ping_interval=None,
        max_queue=1 if sock else 16,
        close_timeout=1,
    ) as connection:
        payload = {"authorization": f"Bearer {token}"}
        await connection.send(json.dumps({"type": "connection_init", "payload": payload}))
        assert json.loads(await connection.recv()) == {"type": "connection_ack"}
        yield connection


async def subscribe(
    connection: ClientConnection, operation_id: str, document: str, variables: Json
) -> None:
    payload = {"query": document, "variables": variables}
    await connection.send(json.dumps({"type": "subscribe", "id": operation_id, "payload": payload}))
