"""The index of search: how it is built, and what a search costs."""

import asyncio
import random
from typing import Any

import pytest

from models.limits.limits import Limits
from models.log.message_changes import delete_message, edit_message
from models.messages.search import search_messages
from models.messages.search_index import BLOCK_ENTRIES, build_search_blocks
from models.postgresql.database import Database
from models.refusals import RefusalCode, Refused
from tests.database.searching import PATIENT, VIEWER, Said, at, find, index, make_channel, seqs
from tests.waiting import steps

# -------------------------------------------------------------------- the index


async def list_words(database: Database) -> list[str | None]:
    rows = await database.fetch("SELECT words::text FROM search_blocks ORDER BY channel_id, block")
    return [row[0] for row in rows]


async def test_the_index_is_the_same_in_whatever_steps_it_was_built(database: Database) -> None:
    said = [None if n % 7 == 0 else at(f"word{n % 5} it's \\ n{n}", n) for n in range(600)]
    at_once, in_steps = [await make_channel(database, said) for _ in range(2)]

    assert await build_search_blocks(database, at_once, most=16) == 4
    assert [await build_search_blocks(database, in_steps, most=1) for _ in range(6)] == [
        1,
        1,
        1,
        1,
        0,
        0,
    ]

    words = await list_words(database)
    assert len(words) == 8
    assert sorted(words[:4], key=str) == sorted(words[4:], key=str)


async def test_a_block_without_messages_is_one(database: Database) -> None:
    said: list[Said | None] = [None] * BLOCK_ENTRIES
    channel_id = await make_channel(database, [*said, at("word", 1), *said])

    await index(database, channel_id)

    assert await list_words(database) == ["", "'word':1"]
    assert await seqs(database, "word") == [129]


async def test_what_is_too_much_to_index_is_looked_through(database: Database) -> None:
    """A tsvector holds a megabyte."""
    source = random.Random(4)
    alphabet = [chr(c) for c in range(0x430, 0x450)]

    def text() -> str:
        return " ".join("".join(source.choices(alphabet, k=9)) for _ in range(409))

    said = [at(text(), n) for n in range(BLOCK_ENTRIES)]
    said[9] = at("needle", 9)
    channel_id = await make_channel(database, said)

    await index(database, channel_id)

    assert await list_words(database) == [None]
    assert await seqs(database, "need") == [10]
    assert await seqs(database, said[3][0][:9]) == [4]


async def test_a_search_makes_up_for_a_process_that_died(database: Database) -> None:
    await make_channel(database, [at("word", n) for n in range(3 * BLOCK_ENTRIES)])

    found = await seqs(database, "word")

    assert found == list(range(3 * BLOCK_ENTRIES, 0, -1))
    assert await database.fetchval("SELECT built_seq FROM search_heads") == 2 * BLOCK_ENTRIES + 128


async def test_100_builds_race_with_edits_and_deletions(
    database: Database, other_database: Database
) -> None:
    """Nothing that is gone stays in the index, and nothing new is missing from it."""
    for n in range(100):
        channel_id = await make_channel(database, [at("old", s) for s in range(2 * BLOCK_ENTRIES)])
        await database.execute("UPDATE messages SET sender_id = $1", VIEWER)
        seq = 1 + n * 2 % (2 * BLOCK_ENTRIES)
        place = (channel_id, seq)

        async def change(place: tuple[str, int], n: int) -> None:
            await steps(n % 10 * 8)
            if n % 2:
                await delete_message(other_database, lambda _: None, VIEWER, place)
            else:
                await edit_message(
                    other_database, lambda _: None, VIEWER, place, "new", window_s=10**12
                )

        await asyncio.gather(
            build_search_blocks(database, channel_id, most=16),
            build_search_blocks(other_database, channel_id, most=1),
            change(place, n),
        )
        await index(database, channel_id)

        found = await find(database, "old", channel_id=channel_id)
        new = await find(database, "new", channel_id=channel_id)
        words = await list_words(database)
        assert len(found) == 2 * BLOCK_ENTRIES - 1
        assert [hit.seq for hit in new] == ([] if n % 2 else [seq])
        assert str(words).count("new") == (0 if n % 2 else 1)
        assert len(words) == 2
        for table in ("messages", "search_blocks", "search_heads", "user_channels"):
            await database.execute(f"DELETE FROM {table}")


# -------------------------------------------------------------------- what it costs


class CountingDatabase(Database):
    """Counts the rows and statements that a search takes."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.pool, database.url)
        self.statements = 0
        self.rows = 0

    async def fetch(self, query: str, *args: object) -> list[Any]:
        rows = await super().fetch(query, *args)
        self.statements += 1
        self.rows += len(rows)
        return rows


async def cost(database: Database, query: str) -> tuple[int, int, int]:
    """(found, statements, blocks and messages read by PostgreSQL)."""
    counting = CountingDatabase(database)
    before = await read_rows(database)
    page, _ = await search_messages(
        counting, VIEWER, query, channel_id=None, first=50, after=None, limits=PATIENT
    )
    return len(page), counting.statements, await read_rows(database) - before


async def read_rows(database: Database) -> int:
    """Rows of messages and blocks that were read so far."""
    async with database.connection() as connection:
        await connection.execute("SELECT pg_stat_force_next_flush()")
    async with database.connection() as connection:
        await connection.execute("SELECT pg_stat_clear_snapshot()")
        return int(
            await connection.fetchval(
                "SELECT sum(idx_tup_fetch + seq_tup_read) FROM pg_stat_user_tables "
                "WHERE relname IN ('messages', 'search_blocks')"
            )
        )


async def test_a_common_word_costs_no_more_in_a_long_log(database: Database) -> None:
    """A page of 50 opens what follows the last whole block, and two blocks at most."""
    costs = []
    for length in (1000, 8000):
        await database.execute("DELETE FROM user_channels")
        channel_id = await make_channel(database, [at(f"word {n}", n) for n in range(length)])
        await index(database, channel_id)
        await database.execute("ANALYZE messages, search_blocks")
        costs.append(await cost(database, "word"))

    for found, statements, rows in costs:
        assert found == 50
        assert statements <= 9
        assert rows > 50, "the rows were not counted"
        assert rows <= 4 * BLOCK_ENTRIES + 8000 // BLOCK_ENTRIES


async def test_common_words_that_are_never_in_one_message_open_no_block(
    database: Database,
) -> None:
    said = [at("left" if n % 2 else "right", n) for n in range(40 * BLOCK_ENTRIES)]
    channel_id = await make_channel(database, said)
    await index(database, channel_id)
    await database.execute("ANALYZE messages, search_blocks")

    found, _, rows = await cost(database, "left right")

    assert found == 0
    assert 40 <= rows <= 2 * 40


async def test_what_others_say_costs_nothing(database: Database) -> None:
    await make_channel(database, [at("word", n) for n in range(20)])
    mine = (await cost(database, "word"))[1:]
    others = await make_channel(database, [at("word", n) for n in range(5000)])
    await database.execute("DELETE FROM user_channels WHERE channel_id = $1", others)
    await database.execute(
        "DELETE FROM members WHERE channel_id = $1 AND user_id = $2", others, VIEWER
    )
    await database.execute("ANALYZE messages")

    found, *with_others = await cost(database, "word")

    assert found == 20
    assert with_others[0] == mine[0]
    assert with_others[1] <= mine[1] + 20


async def test_a_search_past_its_deadline_is_unavailable(database: Database) -> None:
    await make_channel(database, [at("word", n) for n in range(200)])

    with pytest.raises(Refused) as refused:
        await find(database, "word", limits=Limits(search_deadline_s=0.0))

    assert refused.value.code is RefusalCode.UNAVAILABLE
    assert await seqs(database, "word") == list(range(200, 0, -1))
