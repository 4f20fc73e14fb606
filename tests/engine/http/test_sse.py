"""Server-sent events: one stream for one operation, with every way in which it can end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from models.close_codes import CloseCode
from models.limits.limits import Limits
from models.log.events import Occurrence, StreamCut, TooFarBehind
from models.refusals import RefusalCode, Refused
from subscriptions.feed import Feed
from tests.engine.http.asgi import App, Exchange
from tests.engine.toy import Book, Context
from tests.waiting import eventually, steps

BOOK_ADDED = "subscription { bookAdded { id title } }"
FIRST = {"data": {"bookAdded": {"id": "x_first", "title": "Notes"}}}


class Past:
    """What a feed replays; an exception ends the feed with it, None completes it."""

    def __init__(self, *events: Any) -> None:
        self.events = events
        self.taken = 0
        self.closed = asyncio.Event()

    async def replay(self, feed: Feed) -> AsyncIterator[Occurrence]:
        feed.go_live()
        for event in self.events:
            self.taken += 1
            if event is None or isinstance(event, Exception):
                feed.end(event)
                return
            yield event if isinstance(event, Occurrence) else Occurrence(event)

    def want_gap(self, feed: Feed, channel_id: str) -> None:
        raise AssertionError(channel_id)

    def detach(self, feed: Feed) -> None:
        self.closed.set()


class Source(Feed):
    """A feed that gives these events, then what it is told to."""

    def __init__(self, *events: Any) -> None:
        self.past = Past(*events)
        super().__init__(self.past, "ada", "device")

    @property
    def closed(self) -> asyncio.Event:
        return self.past.closed

    def give(self, value: Any) -> None:
        self.put(Occurrence(value))


def parse(body: bytes) -> list[tuple[str, Any]]:
    """Return the events of a stream, comments left out."""
    events = []
    for block in body.decode().split("\n\n"):
        if block and not block.startswith(":"):
            name, data = block.split("\n")
            data = data.removeprefix("data: ")
            events.append((name.removeprefix("event: "), orjson.loads(data) if data else None))
    return events


async def finish(exchange: Exchange) -> list[tuple[str, Any]]:
    return parse((await exchange.response()).body)


async def test_events_come_as_they_happen_and_then_complete() -> None:
    source = Source(Occurrence(Book(key="first")))
    exchange = App(Context(source)).client.follow(BOOK_ADDED)

    assert await exchange.next_part() == b":\n\n"
    assert parse(await exchange.next_part()) == [("next", FIRST)]
    source.give(Book(key="second"))
    assert parse(await exchange.next_part())[0][1]["data"]["bookAdded"]["id"] == "x_second"
    source.end()
    assert await exchange.next_part() == b"event: complete\ndata: \n\n"

    answer = await exchange.response()
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-store"
    assert source.closed.is_set()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Refused(RefusalCode.SESSION_REVOKED, "Over."), "SESSION_REVOKED"),
        (TooFarBehind(), "RESYNC_REQUIRED"),
        (RuntimeError("a secret"), "INTERNAL"),
    ],
)
async def test_what_ends_the_source_is_told_before_the_stream_completes(
    error: Exception, code: str
) -> None:
    source = Source(Book(key="first"), error)

    events = await finish(App(Context(source)).client.follow(BOOK_ADDED))

    assert events[0] == ("next", FIRST)
    assert [each["extensions"]["code"] for each in events[1][1]["errors"]] == [code]
    assert events[2:] == [("complete", None)]
    assert source.closed.is_set()


async def test_a_stream_that_is_cut_does_not_complete() -> None:
    source = Source(Book(key="first"), StreamCut(CloseCode.SERVICE_RESTART, "Service restart"))

    events = await finish(App(Context(source)).client.follow(BOOK_ADDED))

    assert events == [("next", FIRST)]
    assert source.closed.is_set()


async def test_a_deploy_cuts_the_streams_and_takes_no_new_ones() -> None:
    source = Source(Book(key="first"))
    app = App(Context(source))
    exchange = app.client.follow(BOOK_ADDED)
    assert await exchange.next_part() == b":\n\n"
    assert parse(await exchange.next_part()) == [("next", FIRST)]

    await app.http.drain()

    assert await finish(exchange) == [("next", FIRST)]
    assert source.closed.is_set()
    refused = await app.client.follow(BOOK_ADDED).response()
    assert (refused.status, refused.codes) == (503, ["UNAVAILABLE"])


async def test_the_source_is_closed_when_the_client_goes() -> None:
    source = Source()
    exchange = App(Context(source)).client.follow(BOOK_ADDED)
    assert await exchange.next_part() == b":\n\n"

    exchange.disconnect()

    assert await finish(exchange) == []
    assert source.closed.is_set()


async def test_a_quiet_stream_has_a_heart() -> None:
    source = Source()
    exchange = App(Context(source), heartbeat_s=0.01).client.follow(BOOK_ADDED)

    assert [await exchange.next_part() for _ in range(3)] == [b":\n\n"] * 3
    source.end()

    assert (await finish(exchange))[-1] == ("complete", None)


async def test_what_was_missed_is_read_at_the_pace_of_the_client() -> None:
    source = Source(*(Book(key=str(n)) for n in range(100)), None)
    exchange = App(Context(source)).client.follow(BOOK_ADDED)
    exchange.flowing.clear()
    await eventually(lambda: bool(exchange.sent))

    await steps(1000)
    taken = source.past.taken
    exchange.flowing.set()
    events = await finish(exchange)

    assert taken <= 1
    ids = [data["data"]["bookAdded"]["id"] for _, data in events[:-1]]
    assert ids == [f"x_{n}" for n in range(100)]


@pytest.mark.parametrize(
    ("limits", "title", "given"),
    [
        (Limits(queued_events_per_socket=10), "x", 12),
        (Limits(queued_bytes_per_socket=10_000), "…" * 1000, 5),
        (Limits(stopped_reader_s=0.05), "x", 1),
    ],
    ids=["events", "bytes", "time"],
)
async def test_a_client_that_stops_reading_is_cut(limits: Limits, title: str, given: int) -> None:
    source = Source(Book(key="first"))
    exchange = App(Context(source), limits=limits).client.follow(BOOK_ADDED)
    assert [await exchange.next_part() for _ in range(2)][0] == b":\n\n"

    exchange.flowing.clear()
    for _ in range(given - 1):
        source.give(Book(title=title))
    await steps(10)
    held = not source.closed.is_set()
    source.give(Book(title=title))

    await asyncio.wait_for(source.closed.wait(), 60)
    await asyncio.wait_for(exchange.task, 60)
    assert held
    assert exchange.aborted


async def test_a_deploy_does_not_wait_for_a_client_that_reads_nothing() -> None:
    source = Source()
    app = App(Context(source))
    exchange = app.client.follow(BOOK_ADDED)
    await exchange.next_part()
    exchange.flowing.clear()
    source.give(Book())
    await steps(10)

    await app.http.drain()

    await asyncio.wait_for(exchange.task, 60)
    assert exchange.aborted
    assert source.closed.is_set()


async def test_what_waits_for_a_slow_client_is_not_told_after_its_session_is_over() -> None:
    source = Source(Book(key="first"))
    exchange = App(Context(source)).client.follow(BOOK_ADDED)
    for _ in range(2):
        await exchange.next_part()
    exchange.flowing.clear()
    for key in ("on its way", "waits", "waits too"):
        source.give(Book(key=key))
    await steps(10)

    source.end(Refused(RefusalCode.SESSION_REVOKED, "Over."))
    await steps(10)
    exchange.flowing.set()

    *given, over, complete = await finish(exchange)
    assert [data["data"]["bookAdded"]["id"] for _, data in given] == ["x_first", "x_on its way"]
    assert over[1]["errors"][0]["extensions"]["code"] == "SESSION_REVOKED"
    assert complete == ("complete", None)


async def test_queries_and_mutations_are_answered_as_streams_too() -> None:
    app = App(Context(Book(key="first")))

    query = await finish(app.client.follow("{ book { id } }"))
    mutation = await finish(
        app.client.follow('mutation { save(input: {title: ""}) { __typename } }')
    )

    assert query == [("next", {"data": {"book": {"id": "x_first"}}}), ("complete", None)]
    assert mutation == [
        ("next", {"data": {"save": {"__typename": "Refusal"}}}),
        ("complete", None),
    ]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription ($n: Int!) { thingAdded(after: $n) { __typename } }", "INVALID_INPUT"),
    ],
)
async def test_what_cannot_be_executed_is_told_in_the_stream(query: str, code: str) -> None:
    """graphql-sse: a browser's EventSource shows its page nothing of another status."""
    app = App()

    events = await finish(app.client.follow(query))

    assert [each["extensions"]["code"] for each in events[0][1]["errors"]] == [code]
    assert events[1:] == [("complete", None)]


async def test_a_resolver_that_refuses_is_told_in_the_stream() -> None:
    app = App(Context(Refused(RefusalCode.NOT_FOUND, "There is no such channel.", field="id")))

    events = await finish(app.client.follow(BOOK_ADDED))

    (error,) = events[0][1]["errors"]
    assert error["extensions"] == {"code": "NOT_FOUND", "field": "id"}
    assert events[1:] == [("complete", None)]


async def test_a_subscription_needs_a_stream() -> None:
    app = App(Context(Source()))

    answer = await app.client.post({"query": BOOK_ADDED}, authorization="Bearer good")

    assert (answer.status, answer.codes) == (406, ["INVALID_INPUT"])


async def test_a_client_that_takes_both_gets_a_stream_for_a_subscription_only() -> None:
    app = App(Context(Book(key="first")))
    accept = "application/graphql-response+json, application/json, text/event-stream"

    query = await app.client.follow("{ book { id } }", accept=accept).response()
    app.context.value = Source(Book(key="first"), None)
    events = await finish(app.client.follow(BOOK_ADDED, accept=accept))

    assert query.json == {"data": {"book": {"id": "x_first"}}}
    assert events == [("next", FIRST), ("complete", None)]


async def test_each_event_has_a_context_of_its_own() -> None:
    source = Source(Book(), Book(), None)
    app = App(Context(source))

    await finish(app.client.follow("subscription { bookAdded { id tags } }"))

    assert len(app.viewers) == 3
