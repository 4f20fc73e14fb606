"""What one who is not signed in can cost a process, by the byte: every route, request by request.

    PARLEY_NEW_DOCUMENTS_PER_ADDRESS=1000000000/60 PARLEY_READ_COST_PER_ADDRESS=1000000000/60 \\
        python -m parley dev &
    python -m bench.anonymous .parley/services.json

Prints a table in Markdown: bytes that a client sends for one request, the processor time of the API
process for it (the least of several runs), and that by the byte.
"""

import argparse
import contextlib
import hashlib
import itertools
import json
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

RUNS = 3
LARGE = 250_000
PROTOCOL = Subprotocol("graphql-transport-ws")
NUMBERS = itertools.count()

# Sends one request, takes its answer, and returns how many bytes it sent.
Attack = Callable[[], int]


@dataclass(frozen=True)
class Target:
    """An API process, asked at its own port."""

    port: int
    pid: int

    def cpu_ns(self) -> int:
        """Return the processor time of all its threads."""
        threads = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(each.read_text().split()[0]) for each in threads)


class Connection:
    """One HTTP connection that is kept."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._socket = socket.create_connection(("127.0.0.1", target.port), 10)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> int:
        lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(body)}"]
        if body:
            lines.append("content-type: application/json")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        request = "\r\n".join([*lines, "", ""]).encode() + body
        self._socket.sendall(request)
        self._take_answer()
        return len(request)

    def _take_answer(self) -> None:
        found = b""
        while b"\r\n\r\n" not in found:
            found += self._socket.recv(65_536)
        head, _, body = found.partition(b"\r\n\r\n")
        length = next(
            (
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            ),
            None,
        )
        # One without a length ends with its connection, or its last chunk.
        while len(body) < length if length is not None else not body.endswith(b"0\r\n\r\n"):
            piece = self._socket.recv(65_536)
            if not piece:
                break
            body += piece
        if b"\r\nconnection: close" in head.lower():
            self._socket = socket.create_connection(("127.0.0.1", self._target.port), 10)


def graphql(query: str, **variables: object) -> bytes:
    return json.dumps({"query": query, "variables": variables}).encode()


def persisted(sha256: str, query: str | None = None) -> bytes:
    body = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256}}}
    return json.dumps(body if query is None else {**body, "query": query}).encode()


def new_text() -> tuple[str, str]:
    """Return the hash of a document that was never sent, and the document."""
    text = f"{{ limits {{ pageSize }} }} # {next(NUMBERS)} " + "x" * 15_000
    return hashlib.sha256(text.encode()).hexdigest(), text


FIELDS = {f"x{n}": "" for n in range(6000)}
KNOWN = "{ limits { pageSize } }"
# Not signed in, nobody gets further than the document: but that is read.
SMALL = "{{ viewer {{ id n{0}: name }} }}"
CHAIN = "".join(f"fragment A{n} on Query{{...A{n + 1}}} " for n in range(100))
MANY = "".join(f"query Q{n}{{...A0}} " for n in range(20))
WORST = MANY + CHAIN + "fragment A100 on Query{{limits{{n{0}:pageSize}}}}"
CODE = "mutation ($i: RequestCodeInput!) { requestCode(input: $i) { __typename } }"
REFRESH = "mutation ($t: String!) { refreshSession(refreshToken: $t) { __typename } }"
BRACKETS = b'{"query":"{a}","variables":{"a":[' + b"[]," * (LARGE // 3) + b"[]]}}"
NULS = b'{"query":"{a}","variables":{"a":[' + b'"",' * (LARGE // 3) + b'"\\u0000"]}}'
PADDED = b'{"query":"{ limits { pageSize } }"' + b" " * LARGE + b"}"


def http_attacks(target: Target) -> Iterator[tuple[str, Attack]]:
    kept = Connection(target)

    def post(body: bytes, **headers: str) -> int:
        return kept.ask("POST", "/graphql", body, **headers)

    def new(template: str) -> bytes:
        number = str(next(NUMBERS))
        return graphql(template.replace("{{", "{").replace("}}", "}").replace("{0}", number))

    yield "GET /healthz", lambda: kept.ask("GET", "/healthz")
    yield "GET /readyz", lambda: kept.ask("GET", "/readyz")
    yield "GET /nowhere", lambda: kept.ask("GET", "/nowhere")
    for path in ("/", "/schema.graphql", "/favicon.ico", "/unsubscribe?token=x.y"):
        yield f"GET {path}", partial(kept.ask, "GET", path)
    yield "GET /graphql by a browser", lambda: kept.ask("GET", "/graphql", accept="text/html")
    yield "GET /explorer/explorer.js", lambda: kept.ask("GET", "/explorer/explorer.js")
    yield "OPTIONS /graphql", lambda: kept.ask("OPTIONS", "/graphql")
    yield "POST, an empty body", lambda: post(b"")
    yield "POST, a public query", lambda: post(graphql(KNOWN))
    yield "POST, a query that needs a viewer", lambda: post(graphql("{ viewer { id } }"))
    forged = "Bearer " + ".".join(["x" * 2000] * 3)
    yield (
        "POST, the same with a forged token",
        lambda: post(graphql("{ viewer { id } }"), authorization=forged),
    )
    yield "POST, requestCode, no number", lambda: post(graphql(CODE, i={"phoneNumber": "1"}))
    yield "POST, refreshSession, no token", lambda: post(graphql(REFRESH, t="x" * 100))
    yield "POST, a new small document", lambda: post(new(SMALL))
    yield "POST, a new document that is not valid", lambda: post(new("{{ nothing{0} }}"))
    yield "POST, the worst new document", lambda: post(new(WORST))
    yield "POST, a hash that nobody knows", lambda: post(persisted(f"{next(NUMBERS):064x}"))
    yield "POST, a hash of another text", lambda: post(persisted("0" * 64, KNOWN))
    yield "POST, a text of 15 kB by its hash", lambda: post(persisted(*new_text()))
    yield "POST, 300 kB of Accept", lambda: post(graphql(KNOWN), accept="a," * 150_000)
    yield (
        "POST, 300 kB of Accept-Encoding",
        lambda: post(graphql(KNOWN), accept_encoding="a," * 150_000),
    )
    yield "POST, 60 kB of headers", lambda: post(graphql(KNOWN), **FIELDS)
    yield "POST, 250 kB of brackets", lambda: post(BRACKETS)
    yield "POST, 250 kB of texts and a NUL", lambda: post(NULS)
    yield "POST, 250 kB of spaces", lambda: post(PADDED)
    known = f"/graphql?query={quote(KNOWN)}"
    yield "GET, a public query", lambda: kept.ask("GET", known, accept="application/json")
    yield "GET, 200 kB of query string", lambda: kept.ask("GET", known + "&x=" + "%41" * 66_000)
    yield "SSE, a public query", lambda: post(graphql(KNOWN), accept="text/event-stream")
    follow = graphql("subscription { inbox { __typename } }")
    yield "SSE, a subscription", lambda: post(follow, accept="text/event-stream")
    yield "a connection, and no request", lambda: _only_connect(target)


def _only_connect(target: Target) -> int:
    socket.create_connection(("127.0.0.1", target.port), 10).close()
    return 1


def socket_attacks(target: Target) -> Iterator[tuple[str, Attack]]:
    url = f"ws://127.0.0.1:{target.port}/graphql"

    def opened() -> ClientConnection:
        return connect(url, subprotocols=[PROTOCOL], compression=None, max_size=None)

    def say_and_wait(*frames: str) -> int:
        """Send the handshake's request, of some 200 bytes, and wait for its answer."""
        with opened() as client, contextlib.suppress(ConnectionClosed):
            for frame in frames:
                client.send(frame)
            for _ in frames:
                client.recv(10)
        return 200 + sum(len(frame) + 8 for frame in frames)

    init = '{"type":"connection_init"}'
    forged = json.dumps({"type": "connection_init", "payload": {"authorization": "Bearer x.y.z"}})
    yield "websocket, opened and closed", lambda: say_and_wait()
    yield "websocket, connection_init", lambda: say_and_wait(init)
    yield "websocket, connection_init with a forged token", lambda: say_and_wait(forged)
    yield (
        "websocket, 60 kB of brackets as connection_init",
        lambda: say_and_wait(
            '{"type":"connection_init","payload":{"a":[' + "[]," * 20_000 + "[]]}}"
        ),
    )
    yield (
        "websocket, 60 kB of brackets below the bound",
        lambda: say_and_wait(
            '{"type":"connection_init","payload":{"a":[' + "[]," * 19_000 + "[]]}}"
        ),
    )

    with opened() as client:
        client.send(init)
        client.recv(10)
        yield from _on_one_socket(client)


def _on_one_socket(client: ClientConnection) -> Iterator[tuple[str, Attack]]:
    def subscribe(query: str) -> int:
        frame = json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}})
        client.send(frame)
        while json.loads(client.recv(10))["type"] == "next":
            continue
        return len(frame) + 8

    def ping() -> int:
        client.send('{"type":"ping"}')
        client.recv(10)
        return 23

    yield "websocket, a ping", ping
    yield "websocket, a public query", lambda: subscribe(KNOWN)
    yield (
        "websocket, a new small document",
        lambda: subscribe(f"{{ viewer {{ id n{next(NUMBERS)}: name }} }}"),
    )


def measure(target: Target, attack: Attack) -> tuple[int, float]:
    """Bytes sent, and microseconds of the process, for one request."""
    sent = attack()
    times = 10 if sent > 20_000 else 50
    best = float("inf")
    for _ in range(RUNS):
        before = target.cpu_ns()
        for _ in range(times):
            sent = attack()
        best = min(best, (target.cpu_ns() - before) / times / 1000)
    return sent, best


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("services", type=Path, help="services.json of a running `dev`")
    api = json.loads(parser.parse_args().services.read_text())["api"][0]
    target = Target(api["port"], api["pid"])
    say("| request | bytes | µs | ns a byte |")
    say("|---|---|---|---|")
    for name, attack in itertools.chain(http_attacks(target), socket_attacks(target)):
        sent, took_us = measure(target, attack)
        say(f"| {name} | {sent:,} | {took_us:,.0f} | {1000 * took_us / sent:,.0f} |")


if __name__ == "__main__":
    main()
