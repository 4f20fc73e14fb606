"""What followers get: counted, timed, and checked for what is lost or doubled."""

import asyncio

from bench.generator.measures import Windows, now
from bench.generator.sender import MARK
from bench.generator.target import Failed
from bench.generator.wire import WebSocket


class Deliveries:
    """Who got what of this run: a message is delivered when all followers had it."""

    def __init__(self, followers: int) -> None:
        self.followers = followers
        self.began_ns = int(now() * 1e9)
        self._counts: dict[int, int] = {}
        self._waiting: dict[int, asyncio.Event] = {}
        self._failure: str | None = None
        self.reset()

    def reset(self) -> None:
        """The warm-up is over."""
        self.count = 0
        self.latencies: list[float] = []
        self.last_latencies: list[float] = []
        self.windows = Windows()

    def take(self, _: WebSocket, payload: bytes) -> None:
        found = MARK.search(payload)
        if found is None:
            if b'"error' in payload:
                self._failure = payload[:300].decode(errors="replace")
            return
        sent_ns, number = int(found[1]), int(found[2])
        if sent_ns < self.began_ns:
            return  # replayed, from an earlier run
        latency = now() - sent_ns / 1e9
        self.count += 1
        self.windows.add()
        count = self._counts[number] = self._counts.get(number, 0) + 1
        if self.followers == 1:
            self.latencies.append(latency)
        if count == self.followers:
            self.last_latencies.append(latency)
            waiting = self._waiting.pop(number, None)
            if waiting is not None:
                waiting.set()
        elif count > self.followers:
            self._failure = f"Message {number} came {count} times to {self.followers} followers."

    def expect(self, number: int) -> asyncio.Event:
        """Set when all followers have it."""
        event = self._waiting[number] = asyncio.Event()
        return event

    async def wait_for(self, count: int, within_s: float = 10) -> None:
        """Wait until so many have come.

        Raises:
            Failed: so many did not come.
        """
        deadline = now() + within_s
        while self.count < count and now() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        self.check()
        if self.count != count:
            raise Failed(f"{count} deliveries were due, and {self.count} came.")

    def check(self) -> None:
        if self._failure is not None:
            raise Failed(self._failure)


class Replay:
    """Counts a follower's replay, then passes on what is live."""

    def __init__(self, entries: int, done: asyncio.Semaphore, deliveries: Deliveries) -> None:
        self._left = entries
        self._done = done
        self._deliveries = deliveries

    def __call__(self, socket: WebSocket, payload: bytes) -> None:
        if not self._left:
            self._deliveries.take(socket, payload)
            return
        self._left -= 1
        if not self._left:
            self._done.release()
