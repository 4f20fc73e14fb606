"""The functions of one channel say and write what those of many channels do."""

import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from models import ids
from models.channel_kinds import ChannelKind
from models.log.outcomes import AppendOutcome, MoveOutcome
from models.postgresql.database import Connection, Database, connect

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
ROUNDS = 150
# Where they are read, which rows, and in which order.
WRITTEN = {
    "channels": "SELECT * FROM channels ORDER BY id",
    "members": "SELECT * FROM members ORDER BY channel_id, user_id",
    "messages": "SELECT * FROM messages ORDER BY channel_id, seq",
    "receipts": "SELECT * FROM receipts ORDER BY channel_id, user_id, kind, up_to_seq",
    "outbox": "SELECT channel_id, id, entry_channel_ids, entry_seqs, recipient_channel_ids, "
    "recipient_ids, recipient_joined_seqs FROM outbox ORDER BY id",
}


class Channel(msgspec.Struct):
    """A channel, and whoever may try to send to it."""

    id: str
    kind: ChannelKind
    people: list[str]


@pytest_asyncio.fixture
async def connection(
    database: Database, database_url: str
) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """One with empty tables, for transactions that are rolled back."""
    connection = await connect(database_url)
    yield connection
    await connection.close()


@pytest_asyncio.fixture
async def holder(
    database: Database, database_url: str
) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """Somebody else, who holds rows."""
    connection = await connect(database_url)
    yield connection
    await connection.close()


@pytest.mark.parametrize("seed", [1, 2])
async def test_append_channel_does_as_append_messages(
    seed: int, connection: Connection, holder: Connection
) -> None:
    chance = random.Random(seed)
    channels = await make_channels(connection, chance)
    seen: set[int] = set()

    for _ in range(ROUNDS):
        channel = chance.choice(channels)
        await change_marks(connection, channel, chance)
        drafts = await make_drafts(connection, channel, chance)
        outbox_id = ids.new_id()
        async with held(holder, "channels", "id", channel.id, now=chance.random() < 0.1):
            old = await tried(connection, append_messages(channel, drafts, outbox_id))
            new = await tried(connection, append_channel(channel, drafts, outbox_id), keep=True)
        assert old == new
        seen |= {outcome for _, outcome, *_ in new[0] if outcome is not None}

    assert seen == {outcome.value for outcome in AppendOutcome}


@pytest.mark.parametrize("seed", [1, 2])
async def test_advance_channel_does_as_advance_positions(
    seed: int, connection: Connection, holder: Connection
) -> None:
    chance = random.Random(seed)
    channels = await make_channels(connection, chance)
    seen: set[int] = set()

    for turn in range(ROUNDS):
        channel = chance.choice(channels)
        await change_marks(connection, channel, chance)
        await connection.execute(
            "UPDATE channels SET last_seq = last_seq + $2 WHERE id = $1",
            channel.id,
            chance.randrange(4),
        )
        last_seq = await head_of(connection, channel)
        users = sorted(chance.sample(channel.people, chance.randint(1, len(channel.people))))
        moves = [
            (user, chance.randrange(last_seq + 3), chance.randrange(last_seq + 3)) for user in users
        ]
        at, again = BEGAN + timedelta(seconds=turn), chance.random() < 0.2
        async with held(holder, "members", "channel_id", channel.id, now=chance.random() < 0.1):
            old = await tried(connection, advance_positions(channel, moves, at))
            new = await tried(connection, advance_channel(channel, moves, at, again), keep=True)
        assert old == new
        seen |= {row[1] for row in new[0]}

    assert seen == {outcome.value for outcome in MoveOutcome}


# -------------------------------------------------------------------- what there is


async def make_channels(connection: Connection, chance: random.Random) -> list[Channel]:
    """Return two chats, a chat that was never opened, a group, and a channel that is not there. Its
    last person is no member; in the group one has left, and one has come late.
    """
    chat, other, unopened = (
        Channel(ids.new_id(), ChannelKind.CHAT, [ids.new_id() for _ in range(3)]) for _ in range(3)
    )
    group = Channel(ids.new_id(), ChannelKind.GROUP, [ids.new_id() for _ in range(6)])
    absent = Channel(ids.new_id(), ChannelKind.CHAT, [ids.new_id() for _ in range(2)])
    for channel in (chat, other, unopened, group):
        await connection.execute(
            "INSERT INTO channels (id, kind, created_at) VALUES ($1, $2, $3)",
            channel.id,
            channel.kind,
            BEGAN,
        )
        for user_id in channel.people[:-1]:
            await connection.execute(
                "INSERT INTO members (channel_id, user_id, role, joined_at, joined_seq, left_seq) "
                "VALUES ($1, $2, 1, $3, 0, $4)",
                channel.id,
                user_id,
                BEGAN,
                0 if channel is unopened else None,
            )
    left, late = group.people[:2]
    await connection.execute("UPDATE members SET left_seq = 3 WHERE user_id = $1", left)
    await connection.execute("UPDATE members SET joined_seq = 20 WHERE user_id = $1", late)
    # Whoever has left may repeat what they have sent.
    await connection.execute(
        "INSERT INTO messages (channel_id, seq, kind, sender_id, client_message_id, draft_hash, "
        "text, sent_at) VALUES ($1, 1, 1, $2, '1', $3, 'early', $4)",
        group.id,
        left,
        b"\1" * 32,
        BEGAN,
    )
    await connection.execute("UPDATE channels SET last_seq = 3 WHERE id = $1", group.id)
    return [chat, chat, other, unopened, group, group, absent]


async def change_marks(connection: Connection, channel: Channel, chance: random.Random) -> None:
    """Let one of the members block the others for a while."""
    if chance.random() < 0.3:
        await connection.execute(
            "UPDATE members SET blocks = $3 WHERE channel_id = $1 AND user_id = $2",
            channel.id,
            chance.choice(channel.people),
            chance.random() < 0.4,
        )


async def head_of(connection: Connection, channel: Channel) -> int:
    last_seq: int | None = await connection.fetchval(
        "SELECT last_seq FROM channels WHERE id = $1", channel.id
    )
    return last_seq or 0


async def make_drafts(
    connection: Connection, channel: Channel, chance: random.Random
) -> list[tuple[Any, ...]]:
    """Sender, client's id, hash, kind, text, what it replies to, details, time; a few of the
    client's ids and hashes have been used.
    """
    last_seq = await head_of(connection, channel)
    pairs = {
        (chance.choice(channel.people), str(chance.randrange(last_seq + 8)))
        for _ in range(chance.choice([1, 1, 1, 2, 3, 8]))
    }
    return [
        (
            sender,
            client_message_id,
            bytes([chance.choice([1, 1, 2])]) * 32,
            chance.randrange(1, 5),
            chance.choice([None, "text"]),
            chance.choice([None, None, chance.randrange(last_seq + 6)]),
            make_details(channel, chance),
            BEGAN + timedelta(seconds=chance.randrange(10_000)),
        )
        for sender, client_message_id in sorted(pairs)
    ]


def make_details(channel: Channel, chance: random.Random) -> str | None:
    mentions = [str(one) for one in chance.sample(channel.people, min(2, len(channel.people)))]
    return chance.choice(
        [
            None,
            None,
            json.dumps({"mentions": mentions}),
            json.dumps({"mentions": mentions[:1], "media": [ids.new_id()]}),
            json.dumps({"location": {"latitude": 1.5, "longitude": 2.5}}),
            json.dumps({"a later kind": True, "mentions": []}),
        ]
    )


@asynccontextmanager
async def held(
    holder: Connection, table: str, key: str, channel_id: str, *, now: bool
) -> AsyncIterator[None]:
    """Let somebody else hold the rows of the channel, where `now` is true."""
    async with holder.transaction():
        if now:
            await holder.fetch(f"SELECT FROM {table} WHERE {key} = $1 FOR UPDATE", channel_id)
        yield


# -------------------------------------------------------------------- what is called


class Call(msgspec.Struct):
    """A statement, and its arguments."""

    query: str
    arguments: Sequence[Any]


def append_messages(channel: Channel, drafts: list[tuple[Any, ...]], outbox_id: str) -> Call:
    columns = [list(column) for column in zip(*drafts, strict=True)]
    return Call(
        "SELECT ord, outcome, seq, user_ids, joined_seqs FROM append_messages("
        "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, false)",
        [[channel.id], [channel.id] * len(drafts), *columns, outbox_id],
    )


def append_channel(channel: Channel, drafts: list[tuple[Any, ...]], outbox_id: str) -> Call:
    columns = [list(column) for column in zip(*drafts, strict=True)]
    return Call(
        "SELECT * FROM append_channel_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, false)",
        [channel.id, *columns, outbox_id],
    )


def advance_positions(channel: Channel, moves: list[tuple[str, int, int]], at: datetime) -> Call:
    columns = [list(column) for column in zip(*moves, strict=True)]
    return Call(
        "SELECT * FROM advance_positions($1, $2, $3, $4, $5, $6, false)",
        [[channel.id], [channel.id] * len(moves), *columns, at],
    )


def advance_channel(
    channel: Channel, moves: list[tuple[str, int, int]], at: datetime, again: bool
) -> Call:
    columns = [list(column) for column in zip(*moves, strict=True)]
    return Call(
        "SELECT * FROM advance_channel_v1($1, $2, $3, $4, $5, false, $6)",
        [channel.id, *columns, at, again],
    )


async def tried(
    connection: Connection, call: Call, *, keep: bool = False
) -> tuple[list[Any], dict[str, list[Any]]]:
    """Return what the call answers, and the rows of all tables after it. It is taken back, unless
    it is to be kept.
    """
    transaction = connection.transaction()
    await transaction.start()
    answers = [plain(row) for row in await connection.fetch(call.query, *call.arguments)]
    written = {
        table: [plain(row) for row in await connection.fetch(query)]
        for table, query in WRITTEN.items()
    }
    await (transaction.commit() if keep else transaction.rollback())
    return answers, written


def plain(row: asyncpg.Record) -> Any:
    """Return the row, with its recipients in the order of their ids: they are a set. Of one that is
    busy, only that.
    """
    columns = dict(row)
    if columns.get("outcome") == AppendOutcome.BUSY:
        return [columns["ord"], columns["outcome"]]
    for users, seqs in (("user_ids", "joined_seqs"), ("recipient_ids", "recipient_joined_seqs")):
        if columns.get(users) is not None:
            recipients = sorted(zip(columns[users], columns[seqs], strict=True))
            columns[users] = [user_id for user_id, _ in recipients]
            columns[seqs] = [seq for _, seq in recipients]
    return list(columns.values())
