"""Rows of the server's database, as somebody else sees and holds them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from examples.server import RunningServer
from models.duties import BUCKET
from tests import locks
from workers.dispatch.relay import RELAY

NOBODY = "00000000-0000-0000-0000-000000000000"
# Longer than any test.
HELD_S = 3600.0


@asynccontextmanager
async def database(server: RunningServer) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(server.address("postgresql").geturl())
    try:
        yield connection
    finally:
        await connection.close()


def inner_id(channel_id: str) -> str:
    return channel_id.removeprefix("chn_")


@asynccontextmanager
async def held_channel(server: RunningServer, channel_id: str) -> AsyncIterator[None]:
    """A transaction, as of a process that has stopped, holds the channel's row meanwhile."""
    async with database(server) as connection, connection.transaction():
        await connection.execute(
            "SELECT FROM channels WHERE id = $1 FOR UPDATE", inner_id(channel_id)
        )
        yield


async def _hold_relay(connection: "asyncpg.Connection[asyncpg.Record]", for_s: float) -> None:
    await connection.execute(
        "INSERT INTO duties (bucket, name, holder_id, held_until) "
        "VALUES ($1, $2, $3, now() + make_interval(secs => $4)) "
        "ON CONFLICT (bucket, name) DO UPDATE SET holder_id = excluded.holder_id, "
        "held_until = excluded.held_until",
        *(BUCKET, RELAY, NOBODY, for_s),
    )


@asynccontextmanager
async def nobody_relays(server: RunningServer) -> AsyncIterator[None]:
    """One who does nothing has the relay's duty meanwhile."""

    async with database(server) as connection:
        await _hold_relay(connection, HELD_S)
        try:
            yield
        finally:
            await _hold_relay(connection, 0)


async def count_messages(server: RunningServer, channel_id: str) -> int:
    async with database(server) as connection:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM messages WHERE channel_id = $1", inner_id(channel_id)
        )
        return count


async def count_waiting(server: RunningServer) -> int:
    """Sessions that wait for somebody's lock."""
    async with database(server) as connection:
        return await locks.count_waiting(connection)
