"""`python -m bench.growth`: what a page, a list, a group and a search cost as they grow.

One API process of Parley on the first core; PostgreSQL, Valkey and the clients on the second. Each
line is one size: operations a second by 8 readers in a closed loop, and the CPU of the server and
of PostgreSQL for one operation. What costs the same at every size is flat.

pages      the newest 50 messages, and 50 from the middle, of a log of 10^3 to `--most` messages
channels   the first 20 of 10 to 1,000 channels, with title, unread count and last message
groups     the newest 50 messages of a group of 2 to 100, with how many received and read each
searches   20 hits of a word that a thousandth of the messages has, and of one that 20 have, in a
           log of 10^4 to `--most` messages
"""

import argparse
import asyncio
import itertools
import json
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from bench.contestants import Parley
from bench.generator.loops import run_closed
from bench.generator.measures import Cpu
from bench.generator.target import Target
from bench.generator.wire import post
from bench.one_process import one_process
from models import ids
from models.limits.limits import Limits
from models.messages.search_index import BUILT_AT_ONCE, build_search_blocks
from models.postgresql.database import connect
from models.seeding.rows import SeededUser, SeedRows
from models.seeding.seeding import write_rows
from models.tokens import Tokens
from parley.embedded import EmbeddedServers

READERS = 8
SMALLEST_LOG = 1000
SMALLEST_SEARCHED_LOG = 10_000
CHANNELS = (10, 100, 1000)
MEMBERS = (2, 10, 30, 100)
TOKEN_TTL_S = 24 * 3600

NEWEST = (
    "query ($id: ID!) { channel(id: $id) { messages(last: 50) { "
    "nodes { id text sentAt status sender { name } } } } }"
)
MIDDLE = (
    "query ($id: ID!, $seq: Int!) { channel(id: $id) { messages(first: 50, aroundSeq: $seq) { "
    "nodes { id text sentAt status sender { name } } } } }"
)
LIST = (
    "query { channels(first: 20) { nodes { id title unreadCount lastMessage { text sentAt } } "
    "pageInfo { hasNextPage endCursor } } }"
)
COUNTED = (
    "query ($id: ID!) { channel(id: $id) { messages(last: 50) { "
    "nodes { id text sentAt deliveredCount readCount sender { name } } } } }"
)
SEARCH = (
    "query ($id: ID!, $word: String!) { searchMessages(channelId: $id, query: $word, first: 20) { "
    "nodes { id text sentAt sender { name } } } }"
)
# Words of two hundred, a thousandth of "seldom", and a few of "needle" by the size of the log.
GROW = """
INSERT INTO messages
    (channel_id, seq, kind, sender_id, client_message_id, draft_hash, text, sent_at)
SELECT $1, n, 1, $2, 'grown-' || n, decode(repeat('00', 32), 'hex'),
    'word' || n % 199 || ' word' || n % 197 || ' word' || n % 193 || ' and more of what people say'
    || CASE WHEN n % 1000 = 500 THEN ' seldom' ELSE '' END
    || CASE WHEN n % ($4::int / 20) = 0 THEN ' needle' || $4 ELSE '' END,
    now() - ($4 - n) * interval '1 second'
FROM generate_series($3::int + 1, $4::int) AS n
"""


class Asked(NamedTuple):
    """A document with its variables, and as whom it is asked."""

    token: str
    query: str
    variables: dict[str, Any]


class Line(NamedTuple):
    """One size of one family, and what an operation costs there, in us of CPU."""

    family: str
    size: int
    per_s: float
    p99_ms: float
    server_us: float
    postgresql_us: float


def main() -> int:
    asked = _parse()
    with one_process() as (parley, servers):
        lines = asyncio.run(_Growth(parley, servers, asked).run())
    if asked.json is not None:
        asked.json.write_text(json.dumps([line._asdict() for line in lines], indent=2) + "\n")
    return 0


class _Growth:
    def __init__(self, parley: Parley, servers: EmbeddedServers, asked: argparse.Namespace) -> None:
        assert parley.pid is not None
        roots = {"server": parley.pid, "postgresql": servers.pid("postgresql")}
        self._target = Target.read(parley.profile, parley.world, parley.port, roots=roots)
        self._url = servers.database_url
        limits = replace(Limits(), access_token_ttl_s=TOKEN_TTL_S)
        self._tokens = Tokens(servers.secret, limits)
        self._asked = asked
        self._lines: list[Line] = []

    async def run(self) -> list[Line]:
        self._connection = await connect(self._url)
        self._clients = [await self._target.connect() for _ in range(READERS)]
        sys.stdout.write(f"{' | '.join(Line._fields)}\n")
        for family in (self._logs, self._channels, self._groups):
            async for name, size, asked in family():
                await self._measure(name, size, asked)
        self._target.close()
        await self._connection.close()
        return self._lines

    def _rows(self) -> SeedRows:
        return SeedRows(self._tokens, datetime.now(UTC))

    async def _logs(self) -> AsyncIterator[tuple[str, int, Asked]]:
        """One log that grows tenfold each time."""
        rows = self._rows()
        reader, other = rows.add_user(), rows.add_user()
        channel_id = rows.add_chat(reader, other, entries=10).channel_id
        await write_rows(self._connection, rows)
        conv, token = ids.channel_global_id(channel_id), reader.token
        last_seq = 10
        for size in _tenfold(SMALLEST_LOG, self._asked.most):
            await self._grow(channel_id, other, last_seq, size)
            last_seq = size
            yield "newest page", size, Asked(token, NEWEST, {"id": conv})
            yield "middle page", size, Asked(token, MIDDLE, {"id": conv, "seq": size // 2})
            if size >= SMALLEST_SEARCHED_LOG:
                for name, word in (("common search", "seldom"), ("rare search", f"needle{size}")):
                    yield name, size, Asked(token, SEARCH, {"id": conv, "word": word})

    async def _grow(self, channel_id: str, sender: SeededUser, last_seq: int, size: int) -> None:
        """Append messages up to `size`, read by all, and index them for search."""
        connection = self._connection
        await connection.execute(GROW, channel_id, sender.user.id, last_seq, size, timeout=3600)
        await connection.execute(
            "UPDATE channels SET last_seq = $2, last_at = now() WHERE id = $1", channel_id, size
        )
        await connection.execute(
            "UPDATE members SET delivered_seq = $2, read_seq = $2, shown_delivered_seq = $2, "
            "shown_read_seq = $2 WHERE channel_id = $1",
            channel_id,
            size,
        )
        while await build_search_blocks(connection, channel_id, most=BUILT_AT_ONCE):
            continue
        await connection.execute("VACUUM ANALYZE", timeout=3600)

    async def _channels(self) -> AsyncIterator[tuple[str, int, Asked]]:
        for size in CHANNELS:
            rows = self._rows()
            reader = rows.add_user()
            for _ in range(size):
                rows.add_chat(reader, rows.add_user(), entries=20)
            await write_rows(self._connection, rows)
            await self._connection.execute("VACUUM ANALYZE")
            yield "channels", size, Asked(reader.token, LIST, {})

    async def _groups(self) -> AsyncIterator[tuple[str, int, Asked]]:
        for size in MEMBERS:
            rows = self._rows()
            users = [rows.add_user() for _ in range(size)]
            conv = ids.channel_global_id(rows.add_group(users, entries=1000).channel_id)
            await write_rows(self._connection, rows)
            await self._connection.execute("VACUUM ANALYZE")
            yield "group page", size, Asked(users[0].token, COUNTED, {"id": conv})

    async def _measure(self, family: str, size: int, asked: Asked) -> None:
        target = self._target
        body = json.dumps({"query": asked.query, "variables": asked.variables}).encode()
        request = post(target.profile.path, body, target.headers(asked.token))

        async def one(reader: int, _: int) -> None:
            status, answer = await self._clients[reader].request(request)
            target.check(answer, status)

        await run_closed(READERS, one, self._asked.secs / 4)
        cpu = Cpu(target.roots)
        loop = await run_closed(READERS, one, self._asked.secs)
        found: dict[str, Any] = {**loop.figures(), **cpu.stop(len(loop.latencies))}
        costs = found["cpu_us"]
        line = Line(
            family, size, found["per_s"], found["p99_ms"], costs["server"], costs["postgresql"]
        )
        self._lines.append(line)
        sys.stdout.write(f"{' | '.join(str(cell) for cell in line)}\n")
        sys.stdout.flush()


def _tenfold(first: int, most: int) -> Sequence[int]:
    sizes = (first * 10**power for power in itertools.count())
    return list(itertools.takewhile(lambda size: size <= most, sizes))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.growth")
    parser.add_argument("--secs", type=float, default=3, help="of each size (3)")
    parser.add_argument(
        "--most", type=int, default=1_000_000, help="messages of the largest log (1,000,000)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="the lines go there too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
