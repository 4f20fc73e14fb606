"""What the live subscriptions of one socket, or of one device's streams, may cost together."""

import json

import pytest

from tests.client import Json, Socket, ending
from tests.live.feeds import live
from tests.make import AnotherDevice, Person
from tests.serving import ServedWith
from tests.waiting import eventually

# Two objects an event.
SENDER = "subscription ($id: ID!) { messageAdded(channelId: $id) { seq sender { id } } }"
# Some 3,300 objects an event, all of them of another kind than what is shared.
HEAVY = """subscription ($id: ID!) { messageAdded(channelId: $id) { id channel {
    messages(last: 16) { nodes { id channel { messages(last: 100) {
        nodes { id text sender { id name } } } } } } } } }"""


async def refused(socket: Socket, chat: str) -> list[Json]:
    end = await ending(await socket.subscribe(SENDER, id=chat))
    assert end.codes == ["LIMIT_EXCEEDED"]
    return end.errors


async def test_one_socket_has_so_much_and_says_what_to_do(
    alice: Person, chat: str, served_with: ServedWith
) -> None:
    """A place is free again when a subscription was completed; another socket has its own."""
    async with served_with(live_cost=5) as server:
        device = alice.at(server)
        async with device.socket() as socket, device.socket() as other:
            for name in ("a", "b"):
                await socket.subscribe(SENDER, name, id=chat)
            await live(device, "messages", 2)

            (error,) = await refused(socket, chat)
            await other.subscribe(SENDER, id=chat)
            await live(device, "messages", 3)
            await socket.send({"id": "a", "type": "complete"})
            await socket.subscribe(SENDER, "a", id=chat)
            await live(device, "messages", 3)

            await refused(socket, chat)
        assert error["message"] == (
            "One event could make the subscriptions of this connection give 6 objects together, "
            "and 5 are allowed: complete one, or select less."
        )


async def test_a_subscription_that_could_not_begin_holds_nothing(
    alice: Person, chat: str, served_with: ServedWith
) -> None:
    async with served_with(live_cost=5) as server, alice.at(server).socket() as socket:
        for _ in range(5):
            assert (await ending(await socket.subscribe(SENDER, id="chn_none"))).codes

        await socket.subscribe(SENDER, id=chat)
        await live(alice.at(server), "messages")


async def test_the_streams_of_one_device_have_so_much_together(
    alice: Person, chat: str, another_device: AnotherDevice, served_with: ServedWith
) -> None:
    async with served_with(live_cost=5) as server:
        device, tablet = alice.at(server), (await another_device(alice)).at(server)
        async with device.listen(SENDER, id=chat), tablet.listen(SENDER, id=chat):
            async with device.listen(SENDER, id=chat):
                await live(device, "messages", 3)
                async with device.listen(SENDER, id=chat) as third:
                    end = await ending(third)
            await live(device, "messages", 2)
            async with device.listen(SENDER, id=chat):
                await live(device, "messages", 3)

    assert (end.codes, end.complete) == (["LIMIT_EXCEEDED"], True)


async def test_a_short_message_does_not_become_megabytes(
    alice: Person, bob: Person, chat: str, served_with: ServedWith
) -> None:
    """One socket with a hundred subscriptions, each near the bound of one document."""
    for n in range(100):
        await alice.say(chat, f"{n} " + 20 * "text ")
    async with served_with() as server, bob.at(server).socket() as socket:
        for n in range(100):
            await socket.subscribe(HEAVY, str(n), id=chat)
        answers = [await socket.receive() for _ in range(99)]
        assert {answer["type"] for answer in answers} == {"error"}
        await live(bob.at(server), "messages", 1)

        await alice.say(chat, "abcd")

        message = await socket.receive()
        await socket.send({"type": "ping"})
        assert await socket.receive() == {"type": "pong"}
        assert message["type"] == "next"
        assert len(json.dumps(message)) < 1_000_000


async def test_documents_that_differ_take_of_memory_and_are_counted_by_user(
    alice: Person, bob: Person, chat: str, another_device: AnotherDevice, served_with: ServedWith
) -> None:
    """The same document counts once, whatever follows it."""
    documents = [f"{SENDER} # {n}" for n in range(3)]
    async with served_with(followed_document_bytes=45_000) as server:
        device, tablet = alice.at(server), (await another_device(alice)).at(server)
        async with device.socket() as socket, tablet.socket() as other:
            await socket.subscribe(documents[0], "a", id=chat)
            await other.subscribe(documents[0], "a", id=chat)
            await other.subscribe(documents[1], "b", id=chat)
            await live(device, "messages", 3)

            end = await ending(await socket.subscribe(documents[2], "c", id=chat))
            assert end.codes == ["LIMIT_EXCEEDED"]
            async with bob.at(server).socket() as somebody:
                await somebody.subscribe(documents[2], id=chat)
                await live(bob.at(server), "messages")

            await other.send({"id": "b", "type": "complete"})
            await eventually(lambda: len(server.app._process.hub.feeds()) == 2)
            await socket.subscribe(documents[2], "c", id=chat)
            await live(device, "messages", 3)


@pytest.mark.parametrize("cost", [1, 2])
async def test_one_that_is_too_much_alone_is_refused(
    alice: Person, chat: str, served_with: ServedWith, cost: int
) -> None:
    async with served_with(live_cost=cost) as server, alice.at(server).socket() as socket:
        if cost == 1:
            await refused(socket, chat)
        else:
            await socket.subscribe(SENDER, id=chat)
            await eventually(lambda: len(server.app._process.hub.feeds()) == 1)
