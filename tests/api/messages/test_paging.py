"""Paging through a channel's messages: both directions to the ends, around a place, cursors."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from models.log.committer import Committer
from models.postgresql.database import Database
from tests.make import Person, write_history
from tests.times import earlier

MESSAGES = """query ($id: ID!, $first: Int, $after: String, $last: Int, $before: String,
        $aroundSeq: Int, $aroundId: ID, $aroundTime: DateTime) { channel(id: $id) {
    messages(first: $first, after: $after, last: $last, before: $before, aroundSeq: $aroundSeq,
        aroundId: $aroundId, aroundTime: $aroundTime) {
        edges { cursor node { seq text sender { name } } } nodes { seq }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""
COUNT = 130


@pytest_asyncio.fixture
async def history(alice: Person, chat: str, committer: Committer) -> str:
    """A chat with 130 messages of Alice."""
    await write_history(committer, alice, chat, COUNT)
    return chat


async def page(person: Person, channel_id: str, **arguments: Any) -> Any:
    found = (await person.mutate(MESSAGES, id=channel_id, **arguments))["messages"]
    assert [edge["node"]["seq"] for edge in found["edges"]] == seqs(found)
    cursors = [edge["cursor"] for edge in found["edges"]] or [None]
    assert found["pageInfo"]["startCursor"] == cursors[0]
    assert found["pageInfo"]["endCursor"] == cursors[-1]
    return found


def seqs(found: Any) -> list[int]:
    return [message["seq"] for message in found["nodes"]]


def more(found: Any) -> tuple[bool, bool]:
    """Whether there is more before, and after."""
    return found["pageInfo"]["hasPreviousPage"], found["pageInfo"]["hasNextPage"]


async def test_the_newest_fifty_come_when_nothing_is_said(bob: Person, history: str) -> None:
    found = await page(bob, history)

    assert seqs(found) == list(range(81, 131))
    assert more(found) == (True, False)
    assert found["edges"][0]["node"] == {"seq": 81, "text": "81", "sender": {"name": "Alice"}}


@pytest.mark.parametrize("size", [1, 26, 50, 65, 100])
async def test_forward_to_the_end(bob: Person, history: str, size: int) -> None:
    found = await page(bob, history, first=size)
    read, pages = seqs(found), 1
    assert more(found) == (False, True)

    while found["pageInfo"]["hasNextPage"] and pages < 6:
        found = await page(bob, history, first=size, after=found["pageInfo"]["endCursor"])
        assert found["pageInfo"]["hasPreviousPage"] is True
        read, pages = read + seqs(found), pages + 1

    assert read == list(range(1, min(size * 6, COUNT) + 1))


@pytest.mark.parametrize("size", [1, 26, 50, 65, 100])
async def test_backward_to_the_beginning(bob: Person, history: str, size: int) -> None:
    found = await page(bob, history, last=size)
    read, pages = seqs(found), 1
    assert more(found) == (True, False)

    while found["pageInfo"]["hasPreviousPage"] and pages < 6:
        found = await page(bob, history, last=size, before=found["pageInfo"]["startCursor"])
        assert found["pageInfo"]["hasNextPage"] is True
        read, pages = seqs(found) + read, pages + 1

    assert read == list(range(max(COUNT - size * 6, 0) + 1, COUNT + 1))


async def test_the_last_page_may_be_exactly_full(bob: Person, history: str) -> None:
    half = await page(bob, history, first=65)

    rest = await page(bob, history, first=65, after=half["pageInfo"]["endCursor"])

    assert seqs(rest) == list(range(66, 131))
    assert more(rest) == (True, False)


async def test_nothing_lies_beyond_either_end(bob: Person, history: str) -> None:
    first, last = await page(bob, history, first=1), await page(bob, history, last=1)

    beyond = await page(bob, history, first=5, after=last["pageInfo"]["endCursor"])
    before = await page(bob, history, last=5, before=first["pageInfo"]["startCursor"])

    assert (seqs(beyond), more(beyond)) == ([], (True, False))
    assert (seqs(before), more(before)) == ([], (False, True))


async def test_after_and_before_together_are_a_window(bob: Person, history: str) -> None:
    cursor = {
        each["node"]["seq"]: each["cursor"]
        for each in (await page(bob, history, first=40))["edges"]
    }

    whole = await page(bob, history, first=50, after=cursor[10], before=cursor[20])
    oldest = await page(bob, history, first=3, after=cursor[10], before=cursor[20])
    newest = await page(bob, history, last=3, after=cursor[10], before=cursor[20])

    assert seqs(whole) == list(range(11, 20))
    assert seqs(oldest) == [11, 12, 13]
    assert seqs(newest) == [17, 18, 19]


async def test_a_cursor_without_a_count_takes_fifty(bob: Person, history: str) -> None:
    edges = (await page(bob, history, first=100))["edges"]

    after = await page(bob, history, after=edges[9]["cursor"])
    before = await page(bob, history, before=edges[79]["cursor"])

    assert seqs(after) == list(range(11, 61))
    assert seqs(before) == list(range(30, 80))


async def test_cursors_stay_the_same_as_the_log_grows(
    alice: Person, bob: Person, history: str
) -> None:
    before = await page(bob, history, first=5)
    await alice.say(history, "More")

    after = await page(bob, history, first=5)
    newest = await page(alice, history, last=1)

    assert after == before
    assert seqs(newest) == [131]


@pytest.mark.parametrize(
    ("around", "size", "expected", "around_it"),
    [
        (65, 10, range(61, 71), (True, True)),
        (65, 5, range(63, 68), (True, True)),
        (65, 1, range(65, 66), (True, True)),
        (65, 2, range(65, 67), (True, True)),
        (1, 10, range(1, 7), (False, True)),
        (130, 10, range(126, 131), (True, False)),
        (0, 10, range(1, 6), (False, True)),
        (131, 10, range(126, 131), (True, False)),
        (2**31 - 1, 10, range(126, 131), (True, False)),
    ],
    ids=["middle", "odd", "one", "two", "begin", "end", "before it", "past it", "largest"],
)
async def test_around_a_place(
    bob: Person,
    history: str,
    around: int,
    size: int,
    expected: range,
    around_it: tuple[bool, bool],
) -> None:
    """The place is in the middle; at an end the page is shorter, never shifted."""
    found = await page(bob, history, aroundSeq=around, first=size)

    assert seqs(found) == list(expected)
    assert more(found) == around_it


async def test_around_a_place_goes_on_in_both_directions(bob: Person, history: str) -> None:
    middle = await page(bob, history, aroundSeq=65)

    older = await page(bob, history, last=100, before=middle["pageInfo"]["startCursor"])
    newer = await page(bob, history, first=100, after=middle["pageInfo"]["endCursor"])

    assert len(middle["nodes"]) == 50
    assert seqs(older) + seqs(middle) + seqs(newer) == list(range(1, 131))


async def test_around_a_seq_that_is_no_message_opens_at_the_next_older_one(
    bob: Person, history: str, database: Database
) -> None:
    """Changes (edits, reactions) have a seq and are no message."""
    await database.execute(
        "DELETE FROM messages WHERE channel_id = $1 AND seq BETWEEN 60 AND 65", history[4:]
    )

    found = await page(bob, history, aroundSeq=65, first=4)

    assert seqs(found) == [58, 59, 66, 67]
    assert more(found) == (True, True)


async def test_around_a_message_is_around_its_seq(bob: Person, history: str) -> None:
    by_seq = await page(bob, history, aroundSeq=65, first=4)
    by_id = await page(bob, history, aroundId=f"msg_{history[4:]}_65", first=4)

    assert by_id == by_seq


@pytest.mark.parametrize(
    ("seconds", "seq"),
    [
        (-1, 0),
        (0, 1),
        (9, 1),
        (590, 60),
        (600, 60),
        (989, 60),
        (990, 100),
        (1285, 129),
        (10**6, 130),
    ],
)
async def test_around_a_time_is_around_the_newest_message_of_then(
    bob: Person, history: str, database: Database, seconds: int, seq: int
) -> None:
    """One message each ten seconds, and gaps where changes have taken their seqs."""
    began = datetime(2026, 1, 1, tzinfo=UTC)
    sent_at = earlier("$2::timestamptz", "(1 - seq) * interval '10 s'")
    await database.execute(
        f"UPDATE messages SET sent_at = {sent_at} WHERE channel_id = $1",
        history[4:],
        began,
    )
    await database.execute(
        "DELETE FROM messages WHERE channel_id = $1 AND seq BETWEEN 61 AND 99", history[4:]
    )
    at = began + timedelta(seconds=seconds)

    found = await page(bob, history, aroundTime=at.isoformat(), first=4)

    assert found == await page(bob, history, aroundSeq=seq, first=4)


async def test_an_empty_chat_has_an_empty_page(alice: Person, chat: str) -> None:
    arguments: list[dict[str, Any]] = [{}, {"first": 5}, {"last": 5}, {"aroundSeq": 3}]
    arguments.append({"aroundTime": "2026-01-01T00:00:00Z"})

    for each in arguments:
        found = await page(alice, chat, **each)
        assert (seqs(found), more(found)) == ([], (False, False))


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"first": 5, "last": 5}, "last"),
        ({"aroundSeq": 3, "last": 5}, "aroundSeq"),
        ({"aroundSeq": 3, "after": "czoz"}, "aroundSeq"),
        ({"aroundSeq": 3, "before": "czoz"}, "aroundSeq"),
        ({"aroundSeq": -1}, "aroundSeq"),
        ({"aroundId": "msg_x"}, "aroundId"),
        ({"aroundId": "msg_" + "0" * 32 + "_3"}, "aroundId"),
        ({"aroundId": "msg_x", "aroundSeq": 3}, "aroundId"),
        ({"aroundTime": "2026-01-01T00:00:00Z", "aroundSeq": 3}, "aroundTime"),
        ({"aroundTime": "2026-01-01T00:00:00Z", "last": 3}, "aroundTime"),
        ({"after": ""}, "after"),
        ({"before": "not a cursor"}, "before"),
        ({"after": "czox="}, "after"),
        ({"after": "czotMQ"}, "after"),
        ({"after": "czo5OTk5OTk5OTk5"}, "after"),
        ({"after": "aTox"}, "after"),
        ({"after": "czrZo"}, "after"),
        ({"after": "é"}, "after"),
        ({"after": "c" * 10_000}, "after"),
    ],
    ids=str,
)
async def test_arguments_that_mean_nothing_are_refused(
    alice: Person, chat: str, arguments: dict[str, Any], field: str
) -> None:
    answer = (await alice.post(MESSAGES, id=chat, **arguments)).json()

    # The rest of the screen is there.
    assert answer["data"] == {"channel": {**answer["data"]["channel"], "messages": None}}
    (error,) = answer["errors"]
    assert error["path"] == ["channel", "messages"]
    assert error["extensions"]["code"] == "INVALID_INPUT"
    assert error["extensions"]["field"] == field


COUNTED = {
    "messages first": "{ channel(id: $id) { messages(first: $n) { nodes { seq } } } }",
    "messages last": "{ channel(id: $id) { messages(last: $n) { nodes { seq } } } }",
    "around": "{ channel(id: $id) { messages(aroundSeq: 1, first: $n) { nodes { id } } } }",
    "members": "{ channel(id: $id) { members(first: $n) { nodes { id } } } }",
    "channels": "{ channels(first: $n) { nodes { id } } channel(id: $id) { id } }",
    "channels last": "{ channels(last: $n) { nodes { id } } channel(id: $id) { id } }",
    "blocked": "{ blockedUsers(first: $n) { nodes { id } } channel(id: $id) { id } }",
}


@pytest.mark.parametrize("count", [0, -1, 101, 1_000_000, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("selection", COUNTED.values(), ids=COUNTED)
async def test_a_page_has_1_to_100_edges(
    alice: Person, chat: str, selection: str, count: int
) -> None:
    """Whether the count is a variable or written in the document."""
    by_variable = f"query ($id: ID!, $n: Int) {selection}"
    in_document = f"query ($id: ID!) {selection.replace('$n', str(count))}"

    for codes in (
        await alice.errors(by_variable, id=chat, n=count),
        await alice.errors(in_document, id=chat),
    ):
        assert codes in (["INVALID_INPUT"], ["LIMIT_EXCEEDED"])


async def test_cursors_of_other_lists_are_refused(alice: Person, chat: str) -> None:
    await alice.say(chat, "Hello")
    channels = await alice.mutate("{ channels { edges { cursor } } }")
    cursor = channels["edges"][0]["cursor"]

    assert await alice.errors(MESSAGES, id=chat, first=1, after=cursor) == ["INVALID_INPUT"]
    message = (await page(alice, chat))["pageInfo"]["endCursor"]
    in_channels = "query ($after: String) { channels(after: $after) { nodes { id } } }"
    assert await alice.errors(in_channels, after=message) == ["INVALID_INPUT"]
