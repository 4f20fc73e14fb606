"""One person who sends, over HTTP or over their websocket; and the text that they send.

The text holds when it was sent and which message it is: a delivery is recognised by that mark, in
the raw bytes of a frame.
"""

import asyncio
import re
import uuid
from typing import cast

from bench.generator.measures import now
from bench.generator.target import Failed, Target
from bench.generator.wire import Http, WebSocket, post

MARK = re.compile(rb"~(\d+)\.(\d+)~")
TEXT_LENGTH = 100


def marked_text(number: int) -> str:
    return f"~{int(now() * 1e9)}.{number}~ ".ljust(TEXT_LENGTH, "abcdefghij klmnop "[number % 18])


class Sender:
    def __init__(self, target: Target, token: str, conv: str) -> None:
        self._target = target
        self._conv = conv
        self._token = token
        self._headers = target.headers(token)
        self._client: Http | WebSocket
        self._sent = 0
        self._answers: dict[bytes, asyncio.Future[bytes]] = {}

    async def open(self) -> "Sender":
        if self._target.over == "http":
            self._client = await self._target.connect()
        else:
            self._client = await self._target.open_socket(self._token, self._take)
        return self

    async def send(self, number: int) -> bytes:
        """The server's answer that the message is stored.

        Raises:
            Failed: it answered anything else.
        """
        target = self._target
        body = target.body(
            target.profile.send, conv=self._conv, text=marked_text(number), uuid=uuid.uuid4()
        )
        if target.over == "http":
            raw = post(target.profile.path, body, self._headers)
            status, answer = await cast(Http, self._client).request(raw)
            return target.check(answer, status)
        return target.check(await self._send_on_socket(cast(WebSocket, self._client), body))

    async def _send_on_socket(self, socket: WebSocket, body: bytes) -> bytes:
        self._sent += 1
        key = b"m%d" % self._sent
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._answers[key] = answer
        socket.send(b'{"id":"%s","type":"subscribe","payload":%s}' % (key, body))
        return await answer

    def _take(self, _: WebSocket, payload: bytes) -> None:
        """The first frame about an operation answers it; `complete` comes after."""
        found = re.search(rb'"id": ?"(m\d+)"', payload)
        answer = self._answers.pop(found[1], None) if found else None
        if answer is None or answer.done():
            return
        if re.search(rb'"type": ?"error"', payload):
            answer.set_exception(Failed(payload[:400].decode(errors="replace")))
        else:
            answer.set_result(payload)
