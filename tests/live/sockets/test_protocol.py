"""graphql-transport-ws, message by message, and the bounds of a socket."""

import asyncio
from typing import Any

import pytest

from tests.client import added, codes_of, ending, until
from tests.live.feeds import live
from tests.live.sockets.speaking import INBOX, VIEWER, answers, subscribe
from tests.make import OPEN_CHAT, Person
from tests.serving import ServedWith

UPDATE = """mutation ($name: String) { updateProfile(input: {name: $name}) { __typename } }"""


NO_VARIABLE = """subscription ($x: Int!) { messageAdded(channelId: "x", afterSeq: $x) { seq } }"""


FRAME = 64 * 1024


@pytest.mark.parametrize(
    ("message", "close_code"),
    [
        ("", 4400),
        ("{", 4400),
        ("null", 4400),
        ("[]", 4400),
        ("{}", 4400),
        ('{"type": 5}', 4400),
        ('{"type": "start", "id": "1"}', 4400),
        ('{"type": "connection_ack"}', 4400),
        ('{"type": "next", "id": "1"}', 4400),
        ('{"type": "ping", "payload": NaN}', 4400),
        ({"type": "ping", "payload": "text"}, 4400),
        ({"type": "pong", "payload": ["list"]}, 4400),
        ({"type": "complete"}, 4400),
        ({"type": "complete", "id": ""}, 4400),
        ("[" * 20_000, 4400),
        (b"\x00\x01", 4400),
        (b'{"type": "ping"}', 4400),
        ({"type": "subscribe", "payload": {"query": INBOX}}, 4400),
        (subscribe(None), 4400),
        (subscribe(""), 4400),
        (subscribe(5), 4400),
        ({"type": "subscribe", "id": "1"}, 4400),
        ({"type": "subscribe", "id": "1", "payload": "text"}, 4400),
        ({"type": "subscribe", "id": "1", "payload": {"query": 5}}, 4400),
        ({"type": "subscribe", "id": "1", "payload": {"query": INBOX, "variables": []}}, 4400),
        ({"type": "connection_init"}, 4429),
    ],
    ids=str,
)
async def test_what_is_not_the_protocol_closes_the_socket(
    alice: Person, message: Any, close_code: int
) -> None:
    async with alice.socket() as socket:
        await socket.send(message)

        assert await socket.close_code() == close_code


async def test_an_id_that_is_in_use_closes_the_socket(alice: Person) -> None:
    async with alice.socket() as socket:
        await until(await socket.subscribe(INBOX, "1"), "InboxReady")

        await socket.send(subscribe("1", VIEWER))

        assert await socket.close_code() == 4409


async def test_pings_are_answered_and_pongs_taken(alice: Person) -> None:
    async with alice.socket() as socket:
        await socket.send({"type": "pong"})
        await socket.send({"type": "pong", "payload": {"x": 1}})
        await socket.send({"type": "ping"})
        assert await socket.receive() == {"type": "pong"}
        await answers(socket)


@pytest.mark.parametrize("kind", [str, str.encode], ids=["text", "binary"])
async def test_a_frame_has_64_kib_at_most(alice: Person, kind: Any) -> None:
    async with alice.socket() as socket:
        ping = '{"type": "ping", "payload": {"x": "%s"}}'
        await socket.send(ping % ("x" * (FRAME - len(ping % ""))))
        assert (await socket.receive())["type"] == "pong"

        await socket.send(kind("x" * (FRAME + 1)))

        assert await socket.close_code() == 1009


async def test_frames_that_are_put_together_count_as_one(alice: Person) -> None:
    async with alice.socket() as socket:

        async def parts() -> Any:
            for _ in range(20):
                yield "x" * 4096

        await socket.connection.send(parts())

        assert await socket.close_code() == 1009


async def test_nothing_is_compressed(alice: Person) -> None:
    """So that nothing can inflate either."""
    async with alice.socket() as socket:
        assert "sec-websocket-extensions" not in (socket.connection.response or {}).headers  # type: ignore[union-attr]


async def test_queries_and_mutations_run_on_a_socket_too(alice: Person, bob: Person) -> None:
    async with alice.socket() as socket:
        assert await socket.query(VIEWER) == {"viewer": {"name": "Alice"}}
        opened = await socket.query(OPEN_CHAT, userId=bob.id)
        assert opened["openChat"]["created"] is True


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("", "GRAPHQL_PARSE_FAILED"),
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { inbox { nothing } }", "GRAPHQL_VALIDATION_FAILED"),
        (NO_VARIABLE, "INVALID_INPUT"),
        ("{ viewer {" + " id" * 1100 + " } }", "LIMIT_EXCEEDED"),
    ],
)
async def test_a_document_that_is_not_right_ends_only_itself(
    alice: Person, document: str, code: str
) -> None:
    async with alice.socket() as socket:
        stream = await socket.subscribe(document)

        message = await socket.receive()

        assert (message["id"], message["type"]) == (stream.id, "error")
        assert set(codes_of(message["payload"])) == {code}
        await answers(socket)


async def test_two_subscriptions_on_one_socket_go_on_beside_each_other(
    alice: Person, bob: Person, chat: str
) -> None:
    other = "subscription ($id: ID!) { messageAdded(channelId: $id, afterSeq: 0) { seq } }"
    async with bob.socket() as socket:
        await until(await socket.subscribe(INBOX, "inbox"), "InboxReady")
        await socket.subscribe(other, "messages", id=chat)

        for seq in (1, 2, 3):
            await alice.say(chat, str(seq))
            arrived = {}
            for _ in range(2):
                message = await socket.receive()
                assert message["type"] == "next"
                arrived[message["id"]] = message["payload"]["data"]
            assert arrived == {
                "inbox": {"inbox": {"__typename": "MessageAdded", "message": {"text": str(seq)}}},
                "messages": {"messageAdded": {"seq": seq}},
            }


async def test_complete_ends_a_subscription_and_frees_its_id(
    alice: Person, bob: Person, chat: str
) -> None:
    """No message of it comes after its completion."""
    async with bob.socket() as socket, bob.follow(INBOX) as witness:
        stream = await socket.subscribe(INBOX, "1")
        await until(stream, "InboxReady")
        await until(witness, "InboxReady")

        await stream.complete()
        await answers(socket)
        await live(bob, "inbox", 1)
        await alice.say(chat, "not for it")
        await added(witness)

        await answers(socket)
        again = await socket.subscribe(INBOX, "1")
        assert [event["__typename"] for event in await until(again, "InboxReady")] == [
            "MessageAdded",
            "InboxReady",
        ]


async def test_completing_what_is_not_there_does_nothing(alice: Person) -> None:
    async with alice.socket() as socket:
        await socket.send({"type": "complete", "id": "1"})
        await answers(socket)


async def test_a_mutation_that_nobody_waits_for_still_runs(alice: Person) -> None:
    async with alice.socket() as socket:
        await socket.subscribe(UPDATE, "1", name="Alicia")
        await socket.send({"id": "1", "type": "complete"})
        await answers(socket)
    async with asyncio.timeout(60):
        while (await alice.mutate(VIEWER))["name"] != "Alicia":
            pass


async def test_a_socket_has_so_many_operations_at_most(
    alice: Person, served_with: ServedWith
) -> None:
    """The socket stays, and a place that was freed can be taken."""
    async with served_with(operations_per_socket=3) as server, alice.at(server).socket() as socket:
        for n in range(3):
            await until(await socket.subscribe(INBOX, str(n)), "InboxReady")

        end = await ending(await socket.subscribe(INBOX, "4"))
        assert end.codes == ["LIMIT_EXCEEDED"]
        assert (await ending(await socket.subscribe(VIEWER, "5"))).codes == ["LIMIT_EXCEEDED"]

        await socket.send({"id": "0", "type": "complete"})
        await until(await socket.subscribe(INBOX, "6"), "InboxReady")
        await answers(socket)


async def test_a_thousand_subscriptions_are_not_a_thousand_streams(alice: Person) -> None:
    async with alice.socket() as socket:
        for n in range(300):
            await socket.send(subscribe(str(n)))

        refused = ready = 0
        while refused + ready < 300:
            message = await socket.receive()
            refused += message["type"] == "error"
            ready += message["type"] == "next"
        assert (ready, refused) == (100, 200)
