"""`python -m bench.operations.repair`: what it costs a node to make up for a blink of Valkey.

PostgreSQL is on the second core where there is one. A node of 2,000 users with 50 chats each was
out of touch, while so many of the chats got three messages each. Printed are how long it takes
until every feed has all of them, and the CPU of PostgreSQL and of the node, in seconds.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from bench.__main__ import share_cores
from bench.generator.measures import Cpu, now
from models.log.events import Occurrence
from models.postgresql.database import Database
from parley.embedded import EmbeddedServers
from parley.migrations import migrate
from subscriptions.feed import Feed
from subscriptions.hub import Hub
from subscriptions.nodes.repair import OUTBOX_ROWS, Repair

MISSED_ENTRIES = 3
# Longer than the outbox reaches back: the node looks at its own users.
OUT_OF_TOUCH_S = 60.0
REPLAY_ENTRIES = 1000

# A chat is of user n and of one k places further; an id says who and where.
_USER = "lpad(to_hex(%s), 32, '0')::uuid"
_CHAT = "md5(n || ' ' || k)::uuid"
_ALL = "generate_series(1, {users}) AS n, generate_series(1, {chats}) AS k"
_WORLD = (
    "INSERT INTO users (id, name, created_at) "
    f"SELECT {_USER % 'n'}, 'Person ' || n, now() FROM generate_series(1, {{users}}) AS n",
    "INSERT INTO channels (id, kind, created_at, last_seq, last_at) "
    f"SELECT {_CHAT}, 1, now(), 10, now() FROM {_ALL}",
    "INSERT INTO members (channel_id, user_id, role, joined_at, joined_seq) "
    f"SELECT {_CHAT}, u, 1, now(), 1 FROM {_ALL}, "
    f"unnest(ARRAY[{_USER % 'n'}, {_USER % '(n + k - 1) % {users} + 1'}]) AS u",
    "INSERT INTO user_channels (user_id, channel_id) SELECT user_id, channel_id FROM members",
    "ANALYZE users, channels, members, user_channels",
)
_BEHIND = f"(SELECT {_CHAT} AS id, n FROM {_ALL} WHERE (n * {{chats}} + k) % {{every}} = 0)"
_BLINK = (
    "INSERT INTO messages (channel_id, seq, kind, sender_id, client_message_id, text, sent_at) "
    f"SELECT id, last_seq + s, 1, {_USER % 'n'}, 'blink ' || last_seq + s, 'Missed', now() "
    f"FROM channels JOIN {_BEHIND} AS b USING (id), generate_series(1, {{missed}}) AS s",
    f"UPDATE channels c SET last_seq = last_seq + {{missed}} FROM {_BEHIND} AS b WHERE c.id = b.id",
)


class Gapless:
    """A source of feeds that have their past already."""

    def replay(self, feed: Feed) -> AsyncIterator[Occurrence]:
        raise NotImplementedError

    def want_gap(self, feed: Feed, channel_id: str) -> None:
        raise AssertionError("An entry came ahead of its turn.")

    def detach(self, feed: Feed) -> None:
        return


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.operations.repair", description=__doc__)
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--chats", type=int, default=50, help="of each user; half of them begun")
    parser.add_argument("--behind", type=int, nargs="+", default=[0, 1000, 10_000])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        node_cores, rest = share_cores()
        if rest:
            os.sched_setaffinity(0, rest)
        with EmbeddedServers(Path(folder), only=("postgresql",), durable=False) as servers:
            migrate(servers.database_url)
            if node_cores:
                os.sched_setaffinity(0, node_cores)
            found = asyncio.run(_measure(servers, asked))
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0


async def _measure(servers: EmbeddedServers, asked: argparse.Namespace) -> list[dict[str, float]]:
    database = await Database.open(servers.database_url)
    numbers = {"users": asked.users, "chats": asked.chats // 2, "missed": MISSED_ENTRIES}
    await _run(database, _WORLD, numbers)
    found = []
    for behind in asked.behind:
        hub, came = await _open_feeds(database)
        if behind:
            every = asked.users * numbers["chats"] // behind
            await _run(database, _BLINK, {**numbers, "every": every})
        cpu, began = Cpu({"postgresql": servers.pid("postgresql")}), now()
        assert await Repair(database, hub, outbox_rows=OUTBOX_ROWS).offer_missed(OUT_OF_TOUCH_S)
        took_s = now() - began
        used = cpu.stop(1)["cpu_us"]
        found.append(
            {
                "chats_behind": behind,
                "entries_given": came[0],
                "seconds": round(took_s, 2),
                "postgresql_cpu_s": round(used["postgresql"] / 1e6, 2),
                "node_cpu_s": round(used["generator"] / 1e6, 2),
            }
        )
    await database.close()
    return found


async def _run(database: Database, statements: tuple[str, ...], numbers: dict[str, int]) -> None:
    async with database.connection() as connection:
        await connection.execute("SET statement_timeout = 0")
        for statement in statements:
            await connection.execute(statement.format(**numbers), timeout=600)


async def _open_feeds(database: Database) -> tuple[Hub, list[int]]:
    """Return a hub with a feed for each user, which has everything; and how many entries came."""
    hub, came = Hub(database, replay_entries=REPLAY_ENTRIES), [0]

    def count(occurrence: Occurrence) -> None:
        came[0] += 1

    rows = await database.fetch(
        "SELECT u.user_id, c.id, c.last_seq FROM user_channels u JOIN channels c "
        "ON c.id = u.channel_id"
    )
    feeds: dict[str, Feed] = {}
    for row in rows:
        feed = feeds.get(row["user_id"])
        if feed is None:
            feed = feeds[row["user_id"]] = Feed(Gapless(), row["user_id"], "device")
            feed.go_live()
            feed.attach(count)
            hub.add(feed)
        feed.positions[row["id"]] = row["last_seq"]
    return hub, came


if __name__ == "__main__":
    sys.exit(main())
