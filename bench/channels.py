"""`python -m bench.channels`: what PostgreSQL spends on a send and an acknowledgement, by the
functions of many channels and by those of one.

On one PostgreSQL both are called in turns, over a connection as the committer opens it: so many
drafts a call, all of one chat, or of several. CPU is that of its backends, by /proc, with the
commit that waits for the disk; and without that wait, which costs the same whatever the function
is, and more where the disk is slower.

With `--citus` (needs CITUS_SOURCE, as `make test-citus` does) the functions of one channel are
called on a coordinator and two workers, too: where the channel's rows are, and through another
node.
"""

import argparse
import asyncio
import itertools
import random
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import asyncpg

from models import ids
from models.channel_kinds import ChannelKind
from models.messages.messages import MessageKind
from models.postgresql.database import connect
from parley.embedded import EmbeddedServers
from parley.embedded.postgresql import NAME
from parley.migrations import migrate
from tests.citus.building import build
from tests.citus.cluster import SHARDS, Cluster

CHATS = 200
CALLS = 100
TEXT = (
    "A message of a hundred characters, as people send them when they have a little to say to you."
)
HASH = bytes(32)
# As models/log/committer.py sets them on one PostgreSQL.
PLANS = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
# How the processes of connections are called.
BACKEND = f"postgres: {NAME} "
WITHOUT_WAIT = "SET synchronous_commit = off"
# Messages in a call, and how many chats they are of.
SHAPES = ((1, 1), (2, 1), (4, 1), (16, 1), (64, 1), (2, 2), (3, 3), (4, 4))

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Call = Callable[[], Awaitable[object]]


@dataclass
class Chat:
    """A chat, its two people, and how far its log and their positions have got."""

    id: str
    people: list[str]
    last_seq: int = 0
    read: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Draft:
    chat: Chat
    client_message_id: str


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.channels")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--citus", action="store_true")
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parley-bench-")))
        servers = stack.enter_context(EmbeddedServers(folder / "plain", only=("postgresql",)))
        migrate(servers.database_url)
        plain = asyncio.run(_measure_plain(servers, asked.rounds))
        if asked.citus:
            (folder / "citus").mkdir()
            cluster = stack.enter_context(Cluster(folder / "citus", build(), durable=True))
            migrate(cluster.url, shards=SHARDS)
            asyncio.run(_measure_citus(cluster, plain, asked.rounds))
    return 0


# -------------------------------------------------------------------- one PostgreSQL


async def _measure_plain(servers: EmbeddedServers, rounds: int) -> dict[str, float]:
    """Print the table of one PostgreSQL; returns what one send and one move cost, by name."""
    connection = await connect(servers.database_url, settings=PLANS)
    roots = [servers.pid("postgresql")]
    chats = await _make_chats(connection)
    costs: dict[str, float] = {}
    _print("one PostgreSQL: us a call", "many", "one", "ratio", "without the wait", "", "ratio")
    for messages, of_chats in SHAPES:

        def many() -> Awaitable[object]:
            return _append_to_many(connection, _draft(chats, messages, of_chats))  # noqa: B023

        def one() -> Awaitable[object]:
            return _append_each(connection, _draft(chats, messages, of_chats))  # noqa: B023

        name = f"send, n = {messages}, chats {of_chats}"
        costs[name] = await _compare(connection, name, many, one, roots, rounds)
    await _set_heads(connection, chats)
    turns = itertools.cycle(chats)
    costs["move"] = await _compare(
        connection,
        "acknowledge, n = 1",
        lambda: _advance_in_many(connection, next(turns), 0),
        lambda: _advance_in_one(connection, next(turns), 1),
        roots,
        rounds,
    )
    await connection.close()
    return costs


async def _compare(
    connection: Connection, name: str, many: Call, one: Call, roots: Sequence[int], rounds: int
) -> float:
    """Print a line; returns what `one` costs with the wait for the disk."""
    columns: list[float] = []
    for setting in ("SET synchronous_commit = on", WITHOUT_WAIT):
        await connection.execute(setting)
        found: dict[Call, list[float]] = {many: [], one: []}
        for turn in range(rounds + 1):
            for call, costs in found.items():
                cost = await _cost(call, roots)
                if turn:
                    costs.append(cost)
        old, new = (statistics.median(costs) for costs in found.values())
        columns += [old, new, new / old]
    _print(name, *columns)
    return columns[1]


# -------------------------------------------------------------------- Citus


async def _measure_citus(cluster: Cluster, plain: dict[str, float], rounds: int) -> None:
    """Print what one send and one move cost on Citus, over the backends of all servers."""
    nodes = [await connect(node.url) for node in cluster.nodes]
    coordinator, *workers = nodes
    chats = await _make_chats(coordinator)
    by_worker = await _list_by_worker(coordinator, cluster, chats)
    roots = [node.pid for node in cluster.nodes if node.pid is not None]
    _print("Citus: us a call", "its worker", "ratio", "another node", "ratio")
    chance = random.Random(1)

    async def send(node: Connection, chat: Chat) -> None:
        await _append_each(node, [_one_draft(chat)])

    async def move(node: Connection, chat: Chat) -> None:
        await _advance_in_one(node, chat, chance.randrange(2))

    calls: dict[str, Callable[[Connection, Chat], Awaitable[None]]]
    calls = {"send, n = 1, chats 1": send, "move": move}
    for name, call in calls.items():
        columns: list[float] = []
        for other in (0, 1):

            async def step() -> None:
                place = chance.randrange(len(workers))
                node = workers[(place + other) % len(workers)]  # noqa: B023
                await call(node, chance.choice(by_worker[place]))  # noqa: B023

            # The first time counts as a warming up.
            costs = [await _cost(step, roots) for _ in range(rounds + 1)][1:]
            columns += [statistics.median(costs), statistics.median(costs) / plain[name]]
        _print(name, *columns)
        await _set_heads(coordinator, chats)
    for node in nodes:
        await node.close()


async def _list_by_worker(
    coordinator: Connection, cluster: Cluster, chats: Sequence[Chat]
) -> list[list[Chat]]:
    """The chats whose rows are on each worker, in the order of the workers."""
    ports = await coordinator.fetch(
        "SELECT s.nodeport FROM unnest($1::uuid[]) WITH ORDINALITY AS c (id, ord) "
        "JOIN citus_shards s ON s.table_name = 'channels'::regclass "
        "AND s.shardid = get_shard_id_for_distribution_column('channels', c.id) ORDER BY c.ord",
        [chat.id for chat in chats],
    )
    return [
        [chat for chat, row in zip(chats, ports, strict=True) if row["nodeport"] == worker.port]
        for worker in cluster.workers
    ]


# -------------------------------------------------------------------- calls


async def _cost(call: Call, roots: Sequence[int]) -> float:
    """The CPU of one call, in us, over all backends of the servers."""
    before = _cpu_ns(roots)
    for _ in range(CALLS):
        await call()
    return (_cpu_ns(roots) - before) / CALLS / 1000


def _cpu_ns(roots: Sequence[int]) -> int:
    """The CPU that the backends of these servers have used; not what writes in the background, for
    whoever wrote.
    """
    total = 0
    for root in roots:
        for child in Path(f"/proc/{root}/task/{root}/children").read_text().split():
            with suppress(FileNotFoundError, ProcessLookupError):
                if Path(f"/proc/{child}/cmdline").read_text().startswith(BACKEND):
                    total += int(Path(f"/proc/{child}/schedstat").read_text().split()[0])
    return total


async def _make_chats(connection: Connection) -> list[Chat]:
    now = datetime.now(UTC)
    chats = [Chat(ids.new_id(), [ids.new_id(), ids.new_id()]) for _ in range(CHATS)]
    for chat in chats:
        await connection.execute(
            "INSERT INTO channels (id, kind, created_at) VALUES ($1, $2, $3)",
            chat.id,
            ChannelKind.CHAT,
            now,
        )
        await connection.executemany(
            "INSERT INTO members (channel_id, user_id, role, joined_at, joined_seq, has_sent) "
            "VALUES ($1, $2, 1, $3, 0, true)",
            [(chat.id, user_id, now) for user_id in chat.people],
        )
    return chats


async def _set_heads(connection: Connection, chats: Sequence[Chat]) -> None:
    """Let each chat be long enough for all moves."""
    for chat in chats:
        await connection.execute("UPDATE channels SET last_seq = 1000000 WHERE id = $1", chat.id)


def _draft(chats: Sequence[Chat], messages: int, of_chats: int) -> list[Draft]:
    chosen = random.sample(chats, of_chats)
    return [_one_draft(chosen[n % of_chats]) for n in range(messages)]


def _one_draft(chat: Chat) -> Draft:
    return Draft(chat, ids.new_id())


def _columns(drafts: Sequence[Draft]) -> list[object]:
    count = len(drafts)
    return [
        [draft.chat.people[0] for draft in drafts],
        [draft.client_message_id for draft in drafts],
        [HASH] * count,
        [MessageKind.TEXT.value] * count,
        [TEXT] * count,
        [None] * count,
        [None] * count,
        [datetime.now(UTC)] * count,
        ids.new_id(),
        False,
    ]


async def _append_to_many(connection: Connection, drafts: Sequence[Draft]) -> None:
    await connection.fetch(
        "SELECT * FROM append_messages($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        sorted({draft.chat.id for draft in drafts}),
        [draft.chat.id for draft in drafts],
        *_columns(drafts),
    )


async def _append_each(connection: Connection, drafts: Sequence[Draft]) -> None:
    """A call for each chat."""
    by_chat: dict[str, list[Draft]] = {}
    for draft in drafts:
        by_chat.setdefault(draft.chat.id, []).append(draft)
    for chat_id, of_chat in by_chat.items():
        await connection.fetch(
            "SELECT * FROM append_channel_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            chat_id,
            *_columns(of_chat),
        )


async def _advance_in_many(connection: Connection, chat: Chat, person: int) -> None:
    user_id, seq = _next_move(chat, person)
    await connection.fetch(
        "SELECT * FROM advance_positions($1, $2, $3, $4, $5, $6, false)",
        [chat.id],
        [chat.id],
        [user_id],
        [seq],
        [seq],
        datetime.now(UTC),
    )


async def _advance_in_one(connection: Connection, chat: Chat, person: int) -> None:
    user_id, seq = _next_move(chat, person)
    await connection.fetch(
        "SELECT * FROM advance_channel_v1($1, $2, $3, $4, $5, false, false)",
        chat.id,
        [user_id],
        [seq],
        [seq],
        datetime.now(UTC),
    )


def _next_move(chat: Chat, person: int) -> tuple[str, int]:
    user_id = chat.people[person]
    chat.read[user_id] = chat.read.get(user_id, 0) + 1
    return user_id, chat.read[user_id]


def _print(name: str, *columns: object) -> None:
    cells = [f"{cell:.2f}" if isinstance(cell, float) and cell < 20 else cell for cell in columns]
    cells = [f"{cell:.0f}" if isinstance(cell, float) else cell for cell in cells]
    sys.stdout.write(" | ".join([f"{name:<26}", *(f"{cell:>8}" for cell in cells)]) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
