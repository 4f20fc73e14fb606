"""Receipts, live: who is told of whose positions, how often, and what hiding, blocking and leaving
keep from them.

That nothing is sent is shown by the second after it, within which a receipt that was held back
would have come, or by what comes next.
"""

import asyncio
from contextlib import suppress

from tests.client import Ended, Json, SocketStream, ending, until
from tests.live.feeds import live
from tests.live.receipts import (
    ADD,
    INBOX,
    RECEIPTS,
    REMOVE,
    UNKNOWN,
    make_group,
    next_receipt,
    nothing_comes,
    receipt,
    told_before_message,
)
from tests.make import ACKNOWLEDGE, AnotherDevice, MakePerson, Person
from tests.serving import Server
from tests.waiting import eventually

# -------------------------------------------------------------------- who is told


async def test_the_author_is_told_on_every_device_and_node(
    alice: Person, bob: Person, chat: str, other_server: Server, another_device: AnotherDevice
) -> None:
    await alice.say(chat, "1")
    await alice.say(chat, "2")
    tablet = (await another_device(alice)).at(other_server)

    async with (
        alice.follow(RECEIPTS, id=chat) as one,
        tablet.follow(RECEIPTS, id=chat) as two,
        tablet.follow(INBOX) as inbox,
    ):
        await until(inbox, "InboxReady")
        await live(alice, "receipts")
        await live(tablet, "receipts")
        await bob.acknowledge(chat, delivered=2, read=1)

        told = receipt(bob, chat, 2, 1)
        assert await one.event() == told
        assert await two.event() == told
        assert await next_receipt(inbox) == told


async def test_only_authors_of_what_is_covered_are_told(
    alice: Person, bob: Person, carol: Person
) -> None:
    group = await make_group(alice, bob, carol)
    by_alice = (await alice.say(group, "mine"))["seq"]
    by_carol = (await carol.say(group, "mine"))["seq"]

    async with alice.follow(INBOX) as alices, carol.follow(INBOX) as carols:
        await until(alices, "InboxReady")
        await until(carols, "InboxReady")
        await bob.acknowledge(group, delivered=by_alice)
        assert await next_receipt(alices) == receipt(bob, group, by_alice, 0)

        # From here Bob's moves are one a second.
        await bob.acknowledge(group, delivered=by_carol)
        assert await next_receipt(carols) == receipt(bob, group, by_carol, 0)
        await bob.acknowledge(group, read=by_alice)
        assert await next_receipt(alices) == receipt(bob, group, by_carol, by_alice)

        await bob.say(group, "the end")
        assert await told_before_message(carols) == []


async def test_nobody_is_told_of_their_own_moves_and_nothing_twice(
    alice: Person, bob: Person, chat: str
) -> None:
    await alice.say(chat, "1")
    await bob.say(chat, "2")

    async with alice.follow(INBOX) as alices, bob.follow(INBOX) as bobs:
        await until(alices, "InboxReady")
        await until(bobs, "InboxReady")
        await bob.acknowledge(chat, delivered=1, read=1)
        await bob.acknowledge(chat, delivered=1, read=1)
        # What only covers one's own message concerns nobody.
        await bob.acknowledge(chat, delivered=2, read=2)
        assert await next_receipt(alices) == receipt(bob, chat, 1, 1)

        await nothing_comes(alices)
        await bob.say(chat, "3")
        assert await told_before_message(bobs) == []


async def test_what_was_said_before_a_member_joined_is_not_told_of(
    alice: Person, bob: Person, carol: Person
) -> None:
    """Nor is one who left and came back told of what they said in between memberships."""
    group = await make_group(alice, bob)
    await alice.say(group, "before")
    joined = (await alice.mutate(ADD, id=group, users=[carol.id]))["group"]["lastSeq"]

    async with alice.follow(INBOX) as alices:
        await until(alices, "InboxReady")
        await carol.acknowledge(group, delivered=joined, read=joined)
        await bob.say(group, "the end")
        assert await told_before_message(alices) == []

    await bob.say(group, "of a former membership")
    await alice.mutate(REMOVE, id=group, user=bob.id)
    last = (await alice.mutate(ADD, id=group, users=[bob.id]))["group"]["lastSeq"]
    async with bob.follow(INBOX) as bobs:
        await until(bobs, "InboxReady")
        await carol.acknowledge(group, delivered=last, read=last)
        await alice.say(group, "the end")
        assert await told_before_message(bobs) == []


async def test_one_who_has_left_is_told_nothing(alice: Person, bob: Person, carol: Person) -> None:
    group = await make_group(alice, bob, carol)
    seq = (await carol.say(group, "mine"))["seq"]

    async with carol.follow(INBOX) as inbox, carol.follow(RECEIPTS, id=group) as receipts:
        await until(inbox, "InboxReady")
        await live(carol, "receipts")
        await alice.mutate(REMOVE, id=group, user=carol.id)
        assert (await ending(receipts)).complete
        await bob.acknowledge(group, delivered=seq, read=seq)

        # Something of another channel comes after it.
        notes = await carol.open_chat(carol)
        await carol.say(notes, "the end")
        assert await told_before_message(inbox) == []


async def test_strangers_and_former_members_cannot_follow(
    alice: Person, bob: Person, carol: Person, chat: str
) -> None:
    """What they are told is what they are told of a channel that does not exist."""
    group = await make_group(alice, carol)
    await alice.mutate(REMOVE, id=group, user=carol.id)

    refusals = []
    for channel_id in (UNKNOWN, "nonsense", alice.id, chat, group):
        async with carol.socket() as socket:
            stream = await socket.subscribe(RECEIPTS, "1", id=channel_id)
            refusals.append(await stream.socket.receive())

    assert refusals[0]["payload"][0]["extensions"]["code"] == "NOT_FOUND"
    assert all(each == refusals[0] for each in refusals)


# -------------------------------------------------------------------- how often


async def test_a_member_who_acknowledges_fast_on_two_nodes_is_told_of_once_a_second(
    alice: Person, bob: Person, chat: str, other_server: Server, another_device: AnotherDevice
) -> None:
    devices = (bob, (await another_device(bob)).at(other_server))
    loop = asyncio.get_running_loop()

    async with alice.follow(RECEIPTS, id=chat) as receipts:
        await live(alice, "receipts")
        began, seq = loop.time(), 0
        while seq < 30 or loop.time() < began + 2.5:
            seq = (await alice.say(chat, "Hello"))["seq"]
            await devices[seq % 2].acknowledge(chat, delivered=seq, read=seq)
        told = [await receipts.event()]
        while told[-1] != receipt(bob, chat, seq, seq):
            told.append(await receipts.event())
        took_s = loop.time() - began

    assert len(told) <= 1 + took_s
    assert len(told) < seq
    assert told == sorted(told, key=lambda each: (each["deliveredSeq"], each["readSeq"]))


async def test_a_group_of_100_tells_each_author_of_each_member_once_a_second(
    alice: Person, person: MakePerson
) -> None:
    """All are online at one node, and all acknowledge every message: members x seconds, not
    members x messages.
    """
    members = [alice] + [await person(f"Member {n}") for n in range(2, 101)]
    group = await make_group(*members)
    authors, messages = members[:2], 20
    loop = asyncio.get_running_loop()

    async with (
        authors[0].follow(RECEIPTS, id=group) as ones,
        authors[1].follow(RECEIPTS, id=group) as others,
    ):
        for author in authors:
            await live(author, "receipts")
        began = loop.time()
        told_one, told_other = Told(ones), Told(others)
        for n in range(messages):
            last = (await authors[n % 2].say(group, str(n)))["seq"]
            position = {"channelId": group, "seq": last}
            await asyncio.gather(
                *(m.mutate(ACKNOWLEDGE, input={"read": [position]}) for m in members)
            )
        await told_one.has(99, last - 1)
        await told_other.has(99, last)
        took_s = loop.time() - began

    for told in (told_one.receipts, told_other.receipts):
        assert {each["userId"] for each in told} <= {member.id for member in members}
        assert len(told) <= 99 * (1 + took_s)
        for member in members:
            moves = [each["readSeq"] for each in told if each["userId"] == member.id]
            assert moves == sorted(set(moves))


class Told:
    """What a stream says, read as it comes: none of it waits in the server."""

    def __init__(self, stream: SocketStream) -> None:
        self.receipts: list[Json] = []
        self._reading = asyncio.create_task(self._read(stream))

    async def _read(self, stream: SocketStream) -> None:
        with suppress(Ended):
            while True:
                self.receipts.append(await stream.event())

    async def has(self, count: int, seq: int) -> None:
        """So many members have read a message, as far as the stream says."""

        def are_told_of() -> bool:
            readers = {each["userId"] for each in self.receipts if each["readSeq"] >= seq}
            return len(readers) >= count

        await eventually(are_told_of)
        self._reading.cancel()
        await asyncio.wait([self._reading])
