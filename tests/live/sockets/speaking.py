"""What tests say on a socket."""

from typing import Any

from tests.client import Json, Socket

VIEWER = "{ viewer { name } }"


INBOX = "subscription { inbox { __typename ... on MessageAdded { message { text } } } }"


def subscribe(operation_id: Any = "1", document: str = INBOX) -> Json:
    return {"id": operation_id, "type": "subscribe", "payload": {"query": document}}


async def answers(socket: Socket) -> None:
    """The socket is still there, and has nothing else to say."""
    await socket.send({"type": "ping", "payload": {"mark": 1}})
    assert await socket.receive() == {"type": "pong", "payload": {"mark": 1}}
