"""Outbox rows that several processes write at once: neither waits for the other for ever."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from models import ids
from models.log.outbox import UncheckedBatch, delete_settled_batches, note_checked, settle_batches
from models.postgresql.database import Connection, Database
from tests.locks import count_waiting
from tests.waiting import eventually

Key = tuple[str, str]
Write = Callable[[Database, Sequence[Key]], Awaitable[None]]

HOLD = "SELECT FROM outbox WHERE channel_id = $1 AND id = $2 FOR UPDATE"


async def check(database: Database, keys: Sequence[Key]) -> None:
    await note_checked(database, [UncheckedBatch(*key, [], []) for key in keys])


async def make_rows(database: Database, count: int) -> list[Key]:
    """Return their keys in order; the table has them the other way round."""
    keys = sorted((ids.new_id(), ids.new_id()) for _ in range(count))
    await database.execute(
        """
        INSERT INTO outbox (channel_id, id, entry_channel_ids, entry_seqs, recipient_channel_ids,
            recipient_ids, recipient_joined_seqs)
        SELECT x.channel_id, x.id, '{}', '{}', '{}', '{}', '{}'
        FROM unnest($1::uuid[], $2::uuid[]) AS x (channel_id, id)
        """,
        [key[0] for key in keys[::-1]],
        [key[1] for key in keys[::-1]],
    )
    return keys


@pytest.mark.parametrize("write", [settle_batches, check])
@pytest.mark.parametrize("turned", [False, True])
async def test_rows_are_taken_in_the_order_of_their_keys(
    database: Database, other_database: Database, write: Write, turned: bool
) -> None:
    """So whoever waits for the first of them holds none of the others."""
    keys = await make_rows(database, 20)
    given = keys[::-1] if turned else keys

    async with other_database.transaction() as connection:
        await connection.execute(HOLD, *keys[0])
        writing = asyncio.ensure_future(write(database, given))
        await eventually(lambda: count_waiting(other_database))

        for key in keys[1:]:
            await connection.execute(f"{HOLD} NOWAIT", *key)

    await writing
    written = "settled_at" if write is settle_batches else "checked_at"
    assert await count_where(database, f"{written} IS NOT NULL") == 20


async def test_what_is_settled_already_stays_as_it_is(database: Database) -> None:
    keys = await make_rows(database, 1)
    await settle_batches(database, keys)
    at = await database.fetchval("SELECT settled_at FROM outbox")

    await settle_batches(database, keys)

    assert await database.fetchval("SELECT settled_at FROM outbox") == at


async def test_rows_that_another_process_is_at_are_deleted_later(
    database: Database, other_database: Database
) -> None:
    keys = await make_rows(database, 3)
    await database.execute(
        "UPDATE outbox SET settled_at = now(), checked_at = now(), "
        "created_at = now() - interval '1 hour'"
    )

    async with other_database.transaction() as connection:
        await hold(connection, keys[1])
        await delete_settled_batches(database)
        assert await database.fetchval("SELECT id FROM outbox") == keys[1][1]

    await delete_settled_batches(database)
    assert await count_where(database, "true") == 0


async def hold(connection: Connection, key: Key) -> None:
    await connection.execute(HOLD, *key)


async def count_where(database: Database, condition: str) -> int:
    count: int = await database.fetchval(f"SELECT count(*) FROM outbox WHERE {condition}")
    return count
