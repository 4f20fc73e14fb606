"""`python -m bench.operations.deploys`: deploys under load, behind HAProxy. What fails, what is
lost, and how sockets are closed. Exit code 1 where anything is.

Clients send over HTTP/1.1 and over HTTP/2 with TLS, over connections that are kept; others follow
their inbox over websockets, or keep opening new ones. No request is repeated: one that gets no
answer, or another than was asked for, has failed. One process after the other is stopped by SIGTERM
and started again.
"""

import argparse
import asyncio
import collections
import json
import ssl
import sys
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from bench.operations.balanced import SECRET, Balanced, NoBalancer, balanced
from examples.client import Api, Device, Inbox
from models.limits.limits import Limits
from models.postgresql.database import Database
from models.tokens import Tokens
from parley.embedded import EmbeddedServers
from parley.migrations import migrate
from parley.ports import LOOPBACK
from tests.make import SEND, Person, make_person
from tests.serving import Server
from tests.waiting import eventually

PAUSE_S = 0.02
SENDERS = 3
FOLLOWERS = 6


@dataclass
class Findings:
    """What clients saw."""

    requests: int = 0
    failed: list[str] = field(default_factory=list)
    # The texts whose sends were answered, by chat.
    answered: dict[str, list[str]] = field(default_factory=dict)
    sockets_opened: int = 0
    sockets_failed: list[str] = field(default_factory=list)
    closed_with: "collections.Counter[int]" = field(default_factory=collections.Counter)
    ended_within_s: list[float] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.operations.deploys")
    parser.add_argument("--deploys", type=int, default=20)
    parser.add_argument("--drain-s", type=float, default=3.0, help="PARLEY_DRAIN_S")
    asked = parser.parse_args()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="parley-bench-") as folder,
            EmbeddedServers(Path(folder) / "servers", only=("postgresql", "valkey")) as servers,
        ):
            migrate(servers.database_url)
            report = asyncio.run(_measure(servers, Path(folder), asked))
    except NoBalancer as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0 if report["holds"] else 1


async def _measure(
    servers: EmbeddedServers, folder: Path, asked: argparse.Namespace
) -> dict[str, Any]:
    found = Findings()
    database = await Database.open(servers.database_url)
    async with (
        balanced(servers, folder, drain_s=asked.drain_s) as around,
        httpx2.AsyncClient(trust_env=False) as http,
    ):
        # Not a server of this process: what asks through the balancer.
        server = Server(None, around.plain_port, http)  # type: ignore[arg-type]
        people = [await _make(server, database, f"Person {n}") for n in range(2 * SENDERS + 1)]
        chats = {await one.open_chat(people[-1]): one for one in people[:-1]}
        inboxes = [_inbox(around, people[-1]) for _ in range(FOLLOWERS)]
        followed: list[collections.Counter[str]] = [collections.Counter() for _ in inboxes]
        running = [
            *(asyncio.create_task(work) for work in _sends(around, chats, found)),
            asyncio.create_task(_open_sockets(around, people[-1], found)),
            *(
                asyncio.create_task(_follow(inbox, texts))
                for inbox, texts in zip(inboxes, followed, strict=True)
            ),
        ]
        for number in range(asked.deploys):
            took_s = await around.hosts[number % len(around.hosts)].deploy()
            found.ended_within_s.append(took_s)
            sys.stderr.write(f"deploy {number + 1}: {took_s:.1f} s\n")
        for task in running[: 2 * SENDERS + 1]:
            task.cancel()
        await asyncio.wait(running[: 2 * SENDERS + 1])
        answered = sum(len(texts) for texts in found.answered.values())
        await eventually(lambda: all(texts.total() >= answered for texts in followed), within_s=30)
        for task in running:
            task.cancel()
            if task.done() and not task.cancelled():
                task.result()
        await asyncio.wait(running)
        lost = sum([await _count_lost(around, one, chat, found) for chat, one in chats.items()])
    await database.close()
    for inbox in inboxes:
        found.closed_with.update(inbox.closed_with)
    repeated = sum(count - 1 for texts in followed for count in texts.values())
    return _report(found, lost, repeated)


def _report(found: Findings, lost: int, repeated: int) -> dict[str, Any]:
    holds = not (found.failed or found.sockets_failed or lost or repeated)
    return {
        "holds": holds and set(found.closed_with) <= {1012},
        "deploys": len(found.ended_within_s),
        "requests": found.requests,
        "failed": len(found.failed),
        "reasons": sorted(set(found.failed)),
        "sends_answered": sum(len(texts) for texts in found.answered.values()),
        "sends_lost": lost,
        "followers": FOLLOWERS,
        "entries_repeated_to_followers": repeated,
        "sockets_opened": found.sockets_opened,
        "sockets_not_opened": found.sockets_failed,
        "closed_with": dict(found.closed_with),
        "longest_end_s": round(max(found.ended_within_s, default=0), 1),
    }


async def _make(server: Server, database: Database, name: str) -> Person:
    return await make_person(server, database, Tokens(SECRET, Limits()), name)


def _sends(
    around: Balanced, chats: dict[str, Person], found: Findings
) -> list[Coroutine[Any, Any, None]]:
    """Half of the people send in plain, the others over TLS."""
    plain = f"http://{LOOPBACK}:{around.plain_port}"
    tls = f"https://{LOOPBACK}:{around.tls_port}"
    return [
        _send(tls if number % 2 else plain, around.trust, chat_id, one, found)
        for number, (chat_id, one) in enumerate(chats.items())
    ]


async def _send(
    address: str, trust: ssl.SSLContext, chat_id: str, sender: Person, found: Findings
) -> None:
    http2 = address.startswith("https")
    async with httpx2.AsyncClient(
        http1=not http2, http2=http2, verify=trust, timeout=15, trust_env=False
    ) as http:
        texts = found.answered.setdefault(chat_id, [])
        number = 0
        while True:
            number += 1
            text = f"{chat_id} {number}"
            draft = {"channelId": chat_id, "clientMessageId": text[-60:], "text": text}
            body = {"query": SEND, "variables": {"input": draft}}
            try:
                answer = await http.post(f"{address}/graphql", json=body, headers=sender.headers)
                assert "message" in answer.json()["data"]["sendMessage"], answer.text
            except (httpx2.HTTPError, ValueError, KeyError, TypeError, AssertionError) as error:
                found.failed.append(f"{type(error).__name__}: {str(error)[:200]}")
            else:
                texts.append(text)
            found.requests += 1
            await asyncio.sleep(PAUSE_S)


async def _open_sockets(around: Balanced, person: Person, found: Findings) -> None:
    """Open one socket after the other, each until it was let in."""
    init = {"type": "connection_init", "payload": {"authorization": f"Bearer {person.token}"}}
    while True:
        try:
            async with connect(
                f"wss://{LOOPBACK}:{around.tls_port}/graphql",
                ssl=_trusting(),
                subprotocols=[Subprotocol("graphql-transport-ws")],
                proxy=None,
            ) as socket:
                await socket.send(json.dumps(init))
                assert json.loads(await socket.recv())["type"] == "connection_ack"
            found.sockets_opened += 1
        except ConnectionClosed as closed:
            # A deploy may close it before it is let in: then it is to come again.
            found.closed_with[closed.rcvd.code if closed.rcvd else 1006] += 1
        except Exception as error:
            found.sockets_failed.append(f"{type(error).__name__}: {str(error)[:200]}")
        await asyncio.sleep(PAUSE_S)


def _trusting() -> ssl.SSLContext:
    """For a client of websockets, which speaks no HTTP/2 and so cannot share the others'."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _inbox(around: Balanced, person: Person) -> Inbox:
    return Inbox([Api(around.plain_port)], person.token or "", {})


async def _follow(inbox: Inbox, texts: "collections.Counter[str]") -> None:
    async for event in inbox:
        if event["__typename"] == "MessageAdded":
            texts[event["message"]["text"]] += 1


async def _count_lost(around: Balanced, one: Person, chat_id: str, found: Findings) -> int:
    device = Device([Api(around.plain_port)], one.id, one.token or "")
    stored = {message["text"] for message in await device.history(chat_id)}
    return len(set(found.answered[chat_id]) - stored)


if __name__ == "__main__":
    raise SystemExit(main())
