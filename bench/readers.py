"""`python -m bench.readers`: many follow a group while some stop reading.

One API process on the first core; PostgreSQL, Valkey and the clients on the second. Large messages
are sent at a fixed rate to the members of a group, each with several sockets: first all of them
read, then some more stop reading (websockets and server-sent events), by turns. Printed are, for
both, when the healthy ones had each message, and the server's CPU for one delivery; and how long
it took until the server had ended those that stopped. Exit code 1 where the healthy ones' 99th
percentile is more than 20 % above that without them, or where one that stopped is still there after
10 s.
"""

import argparse
import asyncio
import json
import os
import socket
import sys
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from bench.contestants import Parley
from bench.generator.loops import run_open
from bench.generator.measures import Cpu, memory_kib, now, summary
from bench.generator.sender import MARK
from bench.generator.target import Target
from bench.generator.wire import HOST, WebSocket, post
from bench.one_process import one_process

MORE_AT_MOST = 1.2
ENDED_WITHIN_S = 10
RECEIVE_BUFFER_BYTES = 4096
# A text that makes the kernel's buffers full soon.
TEXT_LENGTH = 4000


def main() -> int:
    asked = _parse()
    with one_process(history=1000, idle=10) as (parley, _):
        found = asyncio.run(_Measure(parley, asked).run())
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    failed = list(_failures(found))
    sys.stderr.writelines(f"{sentence}\n" for sentence in failed)
    return 1 if failed else 0


class _Measure:
    def __init__(self, parley: Parley, asked: argparse.Namespace) -> None:
        assert parley.pid is not None
        self._pid = parley.pid
        self._asked = asked
        self._target = Target.read(
            parley.profile, parley.world, parley.port, roots={"server": parley.pid}
        )
        self._latencies: list[float] = []

    async def run(self) -> dict[str, Any]:
        target, asked = self._target, self._asked
        group = target.world.group
        tokens = [token for token in group.members if token != group.sender]
        for number in range(asked.followers):
            await target.follow(tokens[number % len(tokens)], group.conv, self._take)
        self._client = await target.connect()
        await asyncio.sleep(1)
        await self._send_for(2)
        rounds: dict[str, list[dict[str, Any]]] = {"all read": [], "some stopped": []}
        ended: list[float] = []
        before = memory_kib(self._pid)
        most = before
        for _ in range(asked.rounds):
            rounds["all read"].append(await self._send_for(asked.secs))
            files = self._files()
            stopped = [
                await _stop_reading(target, tokens[number % len(tokens)], number % 2 == 0)
                for number in range(asked.stopped)
            ]
            watching = asyncio.ensure_future(self._until_ended(files))
            rounds["some stopped"].append(await self._send_for(asked.secs))
            most = max(most, memory_kib(self._pid))
            ended.append(await watching)
            for each in stopped:
                each.close()
        target.close()
        return {
            **{name: _median(results) for name, results in rounds.items()},
            "ended_after_s": round(max(ended), 1),
            "memory_mb": {"before": before // 1024, "most": most // 1024},
        }

    def _files(self) -> int:
        """Return how many files (connections are files) the server has open."""
        return len(os.listdir(f"/proc/{self._pid}/fd"))

    async def _until_ended(self, files: int) -> float:
        """Seconds until the server holds no more connections than before; at most 60."""
        began = now()
        while self._files() > files and now() - began < 60:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        return now() - began

    def _take(self, _: WebSocket, payload: bytes) -> None:
        found = MARK.search(payload)
        if found is not None:
            self._latencies.append(now() - int(found[1]) / 1e9)

    async def _send_for(self, secs: float) -> dict[str, Any]:
        self._latencies = []
        count = int(self._asked.rate * secs)
        cpu = Cpu(self._target.roots)
        busy = asyncio.Lock()

        async def send(_: int) -> None:
            began = now()
            async with busy:
                await self._send(began)

        await run_open(self._asked.rate, count, send)
        due = count * self._asked.followers
        deadline = now() + 20
        while len(self._latencies) < due and now() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        return {
            **summary(self._latencies),
            "deliveries": len(self._latencies),
            "lost": due - len(self._latencies),
            **cpu.stop(len(self._latencies)),
        }

    async def _send(self, began: float) -> None:
        target, group = self._target, self._target.world.group
        text = f"~{int(began * 1e9)}.1~ ".ljust(TEXT_LENGTH, "x")
        body = target.body(target.profile.send, conv=group.conv, text=text, uuid=uuid.uuid4())
        raw = post(target.profile.path, body, target.headers(group.sender))
        status, answer = await self._client.request(raw)
        target.check(answer, status)


async def _stop_reading(target: Target, token: str, as_events: bool) -> socket.socket:
    """Return a follower that reads nothing after its subscription."""
    loop = asyncio.get_running_loop()
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    connection.setblocking(False)
    await loop.sock_connect(connection, (HOST, target.port))
    body = target.body(target.profile.subscribe, conv=target.world.group.conv)
    if as_events:
        headers = [*target.headers(token), ("Accept", "text/event-stream")]
        raw = post(target.profile.path, body, headers)
        await loop.sock_sendall(connection, raw.replace(b"Accept: application/json\r\n", b""))
        await _read_until(connection, b":\n\n")
        return connection
    opening: list[bytes] = []
    following = WebSocket(target.profile.path, target.headers(token), deflate=False)
    # The raw client's own frames, over a socket that it does not read.
    following._transport = _Collector(opening)  # type: ignore[assignment]
    await loop.sock_sendall(connection, following._handshake)
    await _read_until(connection, b"\r\n\r\n")
    following.send(
        json.dumps(
            {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
        ).encode()
    )
    following.send(b'{"id":"s1","type":"subscribe","payload":%s}' % body)
    await loop.sock_sendall(connection, opening[0])
    await _read_until(connection, b"connection_ack")
    await loop.sock_sendall(connection, opening[1])
    return connection


class _Collector:
    def __init__(self, parts: list[bytes]) -> None:
        self.write = parts.append


async def _read_until(connection: socket.socket, mark: bytes) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(10):
        found = b""
        while mark not in found:
            found += await loop.sock_recv(connection, 512)


def _median(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the round whose 99th percentile is the middle one."""
    return sorted(results, key=lambda result: result["p99_ms"])[len(results) // 2]


def _failures(found: dict[str, Any]) -> Iterator[str]:
    alone, others = found["all read"]["p99_ms"], found["some stopped"]["p99_ms"]
    if others > alone * MORE_AT_MOST:
        yield f"The healthy readers' 99th percentile rose from {alone} to {others} ms."
    if found["ended_after_s"] > ENDED_WITHIN_S:
        yield f"A reader that had stopped was there for {found['ended_after_s']} s."


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.readers")
    parser.add_argument("--secs", type=float, default=12, help="of each phase (12)")
    parser.add_argument("--rounds", type=int, default=3, help="of both phases (3)")
    parser.add_argument("--rate", type=float, default=10, help="messages a second (10)")
    parser.add_argument("--followers", type=int, default=200, help="who read (200)")
    parser.add_argument("--stopped", type=int, default=10, help="who stop reading (10)")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
