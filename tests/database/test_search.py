"""Search: what is found and in which order, the index that is built meanwhile, and the cost."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models import ids
from models.database import Database
from models.limits import Limits
from models.log.message_changes import delete_message, edit_message
from models.messages.search import BLOCK_ENTRIES, Hit, build_search_blocks, search_messages
from models.refusals import RefusalCode, Refused
from tests.waiting import steps

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
VIEWER, OTHER = "1" * 32, "2" * 32
LIMITS = Limits()
PATIENT = Limits(search_deadline_s=60)

Said = tuple[str, datetime]


async def make_channel(
    database: Database, said: Sequence[Said | None], *, joined_seq: int = 1
) -> str:
    """A group of the two; None is an entry that is no message."""
    channel_id = ids.new_id()
    times = [each[1] for each in said if each is not None]
    await database.execute(
        "INSERT INTO channels (id, kind, created_at, last_seq, last_at) VALUES ($1, 2, $2, $3, $4)",
        channel_id,
        NOW,
        len(said),
        max(times, default=None),
    )
    for user_id, since in ((VIEWER, joined_seq), (OTHER, 1)):
        await database.execute(
            "INSERT INTO members (channel_id, user_id, role, joined_at, joined_seq) "
            "VALUES ($1, $2, 1, $3, $4)",
            channel_id,
            user_id,
            NOW,
            since,
        )
        await database.execute("INSERT INTO user_channels VALUES ($1, $2)", user_id, channel_id)
    rows = [(channel_id, n, OTHER, *each) for n, each in enumerate(said, 1) if each is not None]
    async with database.connection() as connection:
        await connection.executemany(
            "INSERT INTO messages (channel_id, seq, kind, sender_id, client_message_id, text, "
            "sent_at) VALUES ($1, $2, 1, $3, $2::integer::text, $4, $5)",
            rows,
        )
    return channel_id


def at(text: str, second: float) -> Said:
    return text, NOW + timedelta(seconds=second)


async def index(database: Database, channel_id: str) -> None:
    while await build_search_blocks(database, channel_id, most=16):
        continue


async def find(database: Database, query: str, **more: Any) -> list[Hit]:
    """All that is found, page by page."""
    asked: dict[str, Any] = {"channel_id": None, "first": 100, "after": None, "limits": PATIENT}
    asked |= more
    found: list[Hit] = []
    while True:
        page, follows = await search_messages(database, VIEWER, query, **asked)
        found += [hit for hit, _ in page]
        if not follows:
            return found
        assert page, "more follows nothing"
        asked["after"] = found[-1]


async def seqs(database: Database, query: str) -> list[int]:
    return [hit.seq for hit in await find(database, query)]


# -------------------------------------------------------------------- what is a word


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Good morning, everybody", "morn"),
        ("Good morning, everybody", "EVERY good"),
        ("Bring it to Anna@example.com", "anna example"),
        ("either/or", "or"),
        ("snake_case and kebab-case", "case snake keb"),
        ("<b>bold</b> & brave", "bold brave"),
        ("It costs 3.14!", "14"),
        ("a\tb\nc", "c"),
        ("«¡Hola!» — dijo", "hola"),
        ("Zoë fährt über die Straße", "ÜBER stra zoë"),
        ("cafe\u0301", "caf\u00e9"),
        ("caf\u00e9", "cafe\u0301"),
        ("Привет, мир!", "ПРИВ мир"),
        ("Καλημέρα κόσμε", "καλη"),
        ("مرحبا، كيف حالك؟", "كيف"),
        ("שלום, עולם", "עול"),
        ("हिन्दी में बात", "हिन् बात"),
        ("한국어 메시지", "한국"),
        ("ขอบคุณ ครับ", "ขอบ"),
        ("你好，世界。再见", "世界"),
        ("今日は東京に行く", "東京"),
        ("\uff26\uff55\uff4c\uff4c width", "full"),
    ],
)
@pytest.mark.parametrize("indexed", [False, True])
async def test_each_word_of_the_query_begins_a_word_of_the_message(
    database: Database, text: str, query: str, indexed: bool
) -> None:
    said = [at("Something else", n) for n in range(BLOCK_ENTRIES)]
    said[5] = at(text, 5)
    channel_id = await make_channel(database, said)
    if indexed:
        await index(database, channel_id)

    assert await seqs(database, query) == [6]


@pytest.mark.parametrize("query", ["orning", "good evening", "mornings", "goodmorning"])
async def test_words_are_not_found_by_their_middle_or_by_more_than_there_is(
    database: Database, query: str
) -> None:
    await make_channel(database, [at("Good morning", 0), at("evening", 1)])

    assert await seqs(database, query) == []


@pytest.mark.parametrize(
    "query", ["%", "!!!", "' OR 1=1 --", "&|!()<->:*", "\\", "\U0001f44d\ufe0f \u2764", "_", "<0>"]
)
async def test_signs_are_no_operators(database: Database, query: str) -> None:
    """Letters and digits among them count, and nothing else does."""
    await make_channel(database, [at("Hello % ' \\ world \U0001f44d", 0)])

    assert await seqs(database, query) == []


@pytest.mark.parametrize(
    "query",
    [
        "",
        " \n ",
        "x" * 201,
        "a* " * 3400,
        "a b c d e f g h i j k",
        "a\x00b",
        "\ud800",
    ],
)
async def test_a_query_is_1_to_10_words_in_200_characters(database: Database, query: str) -> None:
    await make_channel(database, [at("a b c", 0)])

    with pytest.raises(Refused) as refused:
        await seqs(database, query)

    assert (refused.value.code, refused.value.field) == (RefusalCode.INVALID_INPUT, "query")


@pytest.mark.parametrize(
    "query",
    [
        "x" * 200,
        "-".join("abcdefghijklmnopqrstuvwxyz0123456789"),
        "\u4e16" * 200,
        "".join(chr(0x4E00 + n) for n in range(200)),
        "(a+)+$ " * 9,
        "'':* & !x",
        "\ufdfa" * 200,
        "\u0301" * 200,
    ],
)
async def test_odd_queries_are_safe(database: Database, query: str) -> None:
    channel_id = await make_channel(database, [at("Hello", n) for n in range(BLOCK_ENTRIES + 1)])
    await index(database, channel_id)

    assert await seqs(database, query) == []


# -------------------------------------------------------------------- who sees what, and when


async def test_only_what_came_with_the_membership_is_found(database: Database) -> None:
    """At every place of the beginning within the index."""
    for joined_seq in (1, 2, 127, 128, 129, 130, 256, 257, 300):
        await database.execute("DELETE FROM user_channels")
        channel_id = await make_channel(
            database, [at("word", n) for n in range(300)], joined_seq=joined_seq
        )
        await index(database, channel_id)

        assert await seqs(database, "word") == list(range(300, joined_seq - 1, -1))


@pytest.mark.parametrize("joined_seq", [50, 150, 290])
async def test_of_what_came_before_not_even_its_being_there_is_told(
    database: Database, joined_seq: int
) -> None:
    said = [at("secret" if n < joined_seq else "open", n) for n in range(1, 301)]
    channel_id = await make_channel(database, said, joined_seq=joined_seq)
    await index(database, channel_id)

    for query, count in (("secret", 0), ("open", 1)):
        page, follows = await search_messages(
            database, VIEWER, query, channel_id=None, first=1, after=None, limits=PATIENT
        )
        assert (len(page), follows) == (count, count == 1)


async def test_what_one_has_left_is_not_looked_into(database: Database) -> None:
    """Whichever of the two rows that say so is read first."""
    left = await make_channel(database, [at("word", 0)])
    leaving = await make_channel(database, [at("word", 1)])
    kept = await make_channel(database, [at("word", 2)])
    await database.execute("UPDATE members SET left_seq = 2 WHERE channel_id = $1", left)
    await database.execute("UPDATE user_channels SET left_seq = 2 WHERE channel_id = $1", leaving)

    found = await find(database, "word")

    assert [hit.channel_id for hit in found] == [kept]
    for channel_id in (left, ids.new_id()):
        with pytest.raises(Refused) as refused:
            await find(database, "word", channel_id=channel_id)
        assert (refused.value.code, refused.value.field) == (RefusalCode.NOT_FOUND, "channelId")


async def test_notices_and_deleted_messages_are_not_found(database: Database) -> None:
    channel_id = await make_channel(database, [at("word", n) for n in range(200)])
    await database.execute("UPDATE messages SET kind = 7 WHERE seq IN (3, 150)")
    await index(database, channel_id)
    await database.execute("UPDATE messages SET deleted_at = now() WHERE seq IN (4, 151)")

    found = await seqs(database, "word")

    assert found == [n for n in range(200, 0, -1) if n not in (3, 4, 150, 151)]


@pytest.mark.parametrize("seq", [1, 100, 128, 129, 200])
async def test_edits_and_deletions_are_known_at_once(database: Database, seq: int) -> None:
    channel_id = await make_channel(database, [at("old", n) for n in range(200)])
    await database.execute("UPDATE messages SET sender_id = $1", VIEWER)
    await index(database, channel_id)
    place = (channel_id, seq)

    await edit_message(database, lambda _: None, VIEWER, place, "new", window_s=10**12)
    assert await seqs(database, "new") == [seq]
    assert seq not in await seqs(database, "old")

    await delete_message(database, lambda _: None, VIEWER, place)
    assert await seqs(database, "new") == []
    assert len(await seqs(database, "old")) == 199


# -------------------------------------------------------------------- order and pages


async def test_the_newest_comes_first_over_all_channels_whatever_the_clocks_say(
    database: Database,
) -> None:
    """Times of one channel's messages are out of order by up to an hour, with many alike: still
    each is found once, in the order of (time, channel, seq), by pages of any size.
    """
    source = random.Random(4)
    expected: list[Hit] = []
    for length in (0, 1, 60, 128, 129, 400, 700):
        said: list[Said | None] = []
        for n in range(length):
            second = n * 5 + source.choice((-3600, -1, 0, 0, 0, 1, 3600))
            kind = source.random()
            said.append(None if kind < 0.2 else at("word" if kind < 0.7 else "none", second))
        channel_id = await make_channel(database, said)
        expected += [
            Hit(each[1], channel_id, n)
            for n, each in enumerate(said, 1)
            if each is not None and each[0] == "word"
        ]
        if length != 400:
            await index(database, channel_id)
    expected.sort(reverse=True)
    assert len(expected) > 500

    for first in (1, 7, 50, 100):
        limit = 60 if first == 1 else len(expected)
        found: list[Hit] = []
        after, follows = None, True
        while follows and len(found) < limit:
            page, follows = await search_messages(
                database,
                VIEWER,
                "wor",
                channel_id=None,
                first=first,
                after=after,
                limits=PATIENT,
            )
            found += [hit for hit, _ in page]
            after = found[-1]
        assert found == expected[: len(found)]
        assert len(found) >= limit


async def test_channels_of_the_same_instant_are_in_order_too(database: Database) -> None:
    channel_ids = [await make_channel(database, [at("word", 0)]) for _ in range(40)]

    page, follows = await search_messages(
        database, VIEWER, "word", channel_id=None, first=3, after=None, limits=PATIENT
    )

    assert [hit.channel_id for hit, _ in page] == sorted(channel_ids, reverse=True)[:3]
    assert follows


async def test_one_channel_can_be_searched(database: Database) -> None:
    mine = [await make_channel(database, [at("word", n)]) for n in range(3)]

    assert [h.channel_id for h in await find(database, "word", channel_id=mine[1])] == [mine[1]]


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
