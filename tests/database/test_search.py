"""Search: what is found and in which order, the index that is built meanwhile, and the cost."""

import random

import pytest

from models import ids
from models.log.message_changes import delete_message, edit_message
from models.messages.messages import MessageKind
from models.messages.search import Hit, search_messages
from models.messages.search_index import BLOCK_ENTRIES
from models.postgresql.database import Database
from models.refusals import RefusalCode, Refused
from tests.database.searching import PATIENT, VIEWER, Said, at, find, index, make_channel, seqs

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
    await database.execute(
        "UPDATE messages SET kind = $1 WHERE seq IN (3, 150)", MessageKind.SYSTEM
    )
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
