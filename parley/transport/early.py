"""Answers of a process that has not opened its parts yet: clients come again, or go elsewhere."""

from models.close_codes import CloseCode
from models.refusals import unavailable
from parley.engine.answers import exception_answer
from parley.transport.reply import Reply
from parley.transport.request import Receive, Scope, Send
from parley.transport.sockets.websocket import PROTOCOL

_NOT_YET = "This process is about to start; ask again."


async def answer_early(scope: Scope, send: Send) -> None:
    """Answer 503 to a request."""
    answer = exception_answer(unavailable(_NOT_YET)).body
    await Reply(scope, send).write(503, answer, [(b"retry-after", b"1")])


async def close_early(receive: Receive, send: Send) -> None:
    """Close a websocket with 1013, which clients retry."""
    await receive()
    await send({"type": "websocket.accept", "subprotocol": PROTOCOL})
    await send({"type": "websocket.close", "code": CloseCode.TRY_AGAIN_LATER, "reason": _NOT_YET})
