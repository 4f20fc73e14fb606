"""Rows of the server's database, as somebody else sees and holds them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from examples.server import RunningServer
from tests import locks


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
