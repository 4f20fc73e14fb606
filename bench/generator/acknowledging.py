"""W6: one sends to a group, and everybody else acknowledges each message, as apps do."""

import asyncio
import re

from bench.generator.loops import Asked, Result, run_closed
from bench.generator.measures import Cpu, now, summary
from bench.generator.sender import MARK, Sender
from bench.generator.target import Failed, Target
from bench.generator.wire import WebSocket

ACKNOWLEDGED_WITHIN_S = 30
_SEQ = re.compile(rb'"seq": ?(\d+)')


class _Round:
    """Counts the readers that have acknowledged the message that is under way."""

    def __init__(self, readers: int) -> None:
        self._readers = readers
        self._left = 0
        self._done = asyncio.Event()
        self._failure: str | None = None
        self.latencies: list[float] = []

    def begin(self) -> None:
        self._left = self._readers
        self._done.clear()

    def note(self, latency_s: float) -> None:
        self.latencies.append(latency_s)
        self._left -= 1
        if not self._left:
            self._done.set()

    def fail(self, payload: bytes) -> None:
        self._failure = payload[:300].decode(errors="replace")
        self._done.set()

    async def wait(self) -> None:
        """Wait until all have.

        Raises:
            Failed: the server answered one of them with an error.
            TimeoutError: some have not in time.
        """
        async with asyncio.timeout(ACKNOWLEDGED_WITHIN_S):
            await self._done.wait()
        if self._failure is not None:
            raise Failed(self._failure)


class _Reader:
    """One who follows by the inbox and says of each message that it is stored and read."""

    def __init__(self, target: Target, token: str, round_: _Round) -> None:
        self._target = target
        self._token = token
        self._round = round_
        self._ready = asyncio.Event()
        self._sent_at: dict[bytes, float] = {}

    async def open(self) -> "_Reader":
        target = self._target
        assert target.profile.inbox is not None
        socket = await target.open_socket(self._token, self._take)
        body = target.body(target.profile.inbox)
        socket.send(b'{"id":"s1","type":"subscribe","payload":%s}' % body)
        async with asyncio.timeout(ACKNOWLEDGED_WITHIN_S):
            await self._ready.wait()
        return self

    def _take(self, socket: WebSocket, payload: bytes) -> None:
        if b'"errors"' in payload or b'"code"' in payload:
            self._round.fail(payload)
        elif b'"MessageAdded"' in payload:
            if self._ready.is_set() and MARK.search(payload) is not None:
                self._acknowledge(socket, payload)
        elif b'"InboxReady"' in payload:
            self._ready.set()
        elif b'"positions"' in payload and (found := re.search(rb'"id": ?"(a\d+)"', payload)):
            self._round.note(now() - self._sent_at.pop(found[1]))

    def _acknowledge(self, socket: WebSocket, payload: bytes) -> None:
        target = self._target
        found = _SEQ.search(payload)
        assert found is not None
        assert target.profile.acknowledge is not None
        seq = int(found[1])
        body = target.body(target.profile.acknowledge, conv=target.world.group.conv, after=seq)
        key = b"a%d" % seq
        self._sent_at[key] = now()
        socket.send(b'{"id":"%s","type":"subscribe","payload":%s}' % (key, body))


async def w6(target: Target, asked: Asked) -> Result:
    group = target.world.group
    readers = [token for token in group.members if token != group.sender][: asked.members - 1]
    round_ = _Round(len(readers))
    for token in readers:
        await _Reader(target, token, round_).open()
    sender = await Sender(target, group.sender, group.conv).open()
    number = 0

    async def send(_: int, __: int) -> None:
        nonlocal number
        number += 1
        round_.begin()
        await sender.send(number)
        await round_.wait()

    await run_closed(1, send, asked.warm_s)
    round_.latencies.clear()
    cpu = Cpu(target.roots)
    loop = await run_closed(1, send, asked.secs)
    count = len(round_.latencies)
    return {
        "per_s": round(count / loop.took_s, 1),
        "messages_per_s": round(len(loop.latencies) / loop.took_s, 1),
        "readers": len(readers),
        **summary(round_.latencies),
        **cpu.stop(count),
    }
