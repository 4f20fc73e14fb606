"""Acknowledging: positions, unread counts, and what the sender learns of their own messages."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from models.postgresql.database import Database
from tests.make import ACKNOWLEDGE, AnotherDevice, Person
from tests.serving import Server

UNKNOWN = "chn_" + "0" * 32

FATES = """query ($id: ID!) { channel(id: $id) { messages { nodes {
    seq status deliveredAt seenAt deliveredCount readCount } } } }"""
STANDING = """query ($id: ID!) { channel(id: $id) {
    unreadCount position { userId deliveredSeq readSeq }
    members { nodes { user { name } position { deliveredSeq readSeq } } } } }"""


async def fates(person: Person, channel_id: str) -> list[Any]:
    found = await person.mutate(FATES, id=channel_id)
    nodes: list[Any] = found["messages"]["nodes"]
    return nodes


async def standing(person: Person, channel_id: str) -> Any:
    return await person.mutate(STANDING, id=channel_id)


async def say(person: Person, channel_id: str, count: int) -> None:
    for n in range(count):
        await person.say(channel_id, str(n))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


async def test_positions_go_forward_and_never_back(alice: Person, bob: Person, chat: str) -> None:
    await say(alice, chat, 5)

    forward = await bob.acknowledge(chat, delivered=4, read=2)
    back = await bob.acknowledge(chat, delivered=1, read=1)

    assert forward == [{"channelId": chat, "deliveredSeq": 4, "readSeq": 2}]
    assert back == forward
    assert (await standing(bob, chat))["position"] == {
        "userId": bob.id,
        "deliveredSeq": 4,
        "readSeq": 2,
    }


async def test_positions_never_pass_the_log(alice: Person, bob: Person, chat: str) -> None:
    await say(alice, chat, 3)

    moved = await bob.acknowledge(chat, delivered=2**31 - 1, read=99)

    assert moved == [{"channelId": chat, "deliveredSeq": 3, "readSeq": 3}]


async def test_what_is_read_is_delivered(alice: Person, bob: Person, chat: str) -> None:
    await say(alice, chat, 3)

    assert await bob.acknowledge(chat, read=2) == [
        {"channelId": chat, "deliveredSeq": 2, "readSeq": 2}
    ]


async def test_channels_that_the_viewer_is_not_in_are_left_out(
    alice: Person, bob: Person, carol: Person, chat: str, database: Database
) -> None:
    own = await carol.open_chat(alice)
    await alice.say(own, "Hello")
    await alice.say(chat, "Hello")
    named = [{"channelId": each, "seq": 1} for each in (chat, own, UNKNOWN, bob.id, "nonsense")]

    acknowledged = await carol.mutate(ACKNOWLEDGE, input={"delivered": named, "read": named})

    assert acknowledged["positions"] == [{"channelId": own, "deliveredSeq": 1, "readSeq": 1}]
    assert await database.fetchval("SELECT count(*) FROM receipts") == 2


async def test_several_channels_and_repeats_in_one_call(
    alice: Person, bob: Person, carol: Person, chat: str
) -> None:
    other = await alice.open_chat(carol)
    await say(bob, chat, 3)
    await say(carol, other, 3)

    acknowledged = await alice.mutate(
        ACKNOWLEDGE,
        input={
            "delivered": [
                {"channelId": chat, "seq": 3},
                {"channelId": chat, "seq": 1},
                {"channelId": other, "seq": 2},
            ],
            "read": [{"channelId": other, "seq": 1}],
        },
    )

    assert sorted(acknowledged["positions"], key=lambda each: each["readSeq"]) == [
        {"channelId": chat, "deliveredSeq": 3, "readSeq": 0},
        {"channelId": other, "deliveredSeq": 2, "readSeq": 1},
    ]


@pytest.mark.parametrize(
    ("acknowledged", "field"),
    [
        ({"read": [{"channelId": UNKNOWN, "seq": -1}]}, "read.0.seq"),
        ({"delivered": [{"channelId": UNKNOWN, "seq": 1}] * 1001}, "delivered"),
    ],
    ids=["negative", "too many"],
)
async def test_what_cannot_be_a_position_is_refused(
    alice: Person, acknowledged: Any, field: str
) -> None:
    refused = await alice.mutate(ACKNOWLEDGE, input=acknowledged)

    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", field)


async def test_nothing_acknowledged_is_an_answer(alice: Person) -> None:
    empty: list[Any] = [{}, {"read": []}, {"read": None, "delivered": None}]

    for each in empty:
        assert (await alice.mutate(ACKNOWLEDGE, input=each))["positions"] == []


async def test_unread_counts_what_others_said_after_the_read_position(
    alice: Person, bob: Person, chat: str
) -> None:
    await say(alice, chat, 3)
    await say(bob, chat, 1)
    await say(alice, chat, 2)

    counts = [(await standing(bob, chat))["unreadCount"]]
    await bob.acknowledge(chat, delivered=6)
    counts.append((await standing(bob, chat))["unreadCount"])
    await bob.acknowledge(chat, read=2)
    counts.append((await standing(bob, chat))["unreadCount"])
    await bob.acknowledge(chat, read=6)
    counts.append((await standing(bob, chat))["unreadCount"])

    assert counts == [5, 5, 3, 0]
    assert (await standing(alice, chat))["unreadCount"] == 1


async def test_sending_moves_no_position(alice: Person, bob: Person, chat: str) -> None:
    await say(alice, chat, 2)
    await say(bob, chat, 1)

    assert (await standing(bob, chat))["position"]["readSeq"] == 0
    assert (await standing(bob, chat))["unreadCount"] == 2


async def test_both_see_how_far_the_other_is(alice: Person, bob: Person, chat: str) -> None:
    await say(alice, chat, 3)
    await bob.acknowledge(chat, delivered=3, read=1)

    seen = (await standing(alice, chat))["members"]["nodes"]

    assert sorted(
        (each["user"]["name"], each["position"]["deliveredSeq"], each["position"]["readSeq"])
        for each in seen
    ) == [
        ("Alice", 0, 0),
        ("Bob", 3, 1),
    ]


async def test_the_sender_learns_how_each_message_fared(
    alice: Person, bob: Person, chat: str, other_server: Server
) -> None:
    began = datetime.now(UTC)
    await say(alice, chat, 3)
    await bob.at(other_server).acknowledge(chat, delivered=2, read=1)

    read, delivered, sent = await fates(alice, chat)

    assert [each["status"] for each in (read, delivered, sent)] == ["READ", "DELIVERED", "SENT"]
    counts = [(each["deliveredCount"], each["readCount"]) for each in (read, delivered, sent)]
    assert counts == [(1, 1), (1, 0), (0, 0)]
    ended = datetime.now(UTC)
    for at in (read["deliveredAt"], read["seenAt"], delivered["deliveredAt"]):
        assert began.replace(microsecond=0) <= moment(at) <= ended
    assert (delivered["seenAt"], sent["deliveredAt"], sent["seenAt"]) == (None, None, None)


async def test_others_learn_nothing_of_it(alice: Person, bob: Person, chat: str) -> None:
    await say(alice, chat, 1)
    await bob.acknowledge(chat, read=1)

    (message,) = await fates(bob, chat)

    assert message.pop("seq") == 1
    assert set(message.values()) == {None}


async def test_the_first_time_that_covered_a_message_counts(
    alice: Person, bob: Person, chat: str, another_device: AnotherDevice
) -> None:
    """A second device that has it too changes nothing."""
    await say(alice, chat, 2)
    await bob.acknowledge(chat, delivered=1)
    (first, _) = await fates(alice, chat)

    tablet = await another_device(bob)
    moved = await tablet.acknowledge(chat, delivered=2, read=2)

    assert moved == [{"channelId": chat, "deliveredSeq": 2, "readSeq": 2}]
    after = await fates(alice, chat)
    assert after[0]["deliveredAt"] == first["deliveredAt"]
    assert [each["status"] for each in after] == ["READ", "READ"]
    assert moment(after[1]["deliveredAt"]) >= moment(first["deliveredAt"])


async def test_the_senders_other_device_sees_the_same(
    alice: Person, bob: Person, chat: str, another_device: AnotherDevice
) -> None:
    await say(alice, chat, 1)
    await bob.acknowledge(chat, read=1)

    assert await fates(await another_device(alice), chat) == await fates(alice, chat)


async def test_moves_at_once_over_both_nodes_end_at_the_greatest(
    alice: Person, bob: Person, chat: str, other_server: Server
) -> None:
    await say(alice, chat, 20)
    devices = (bob, bob.at(other_server))

    await asyncio.gather(
        *(devices[n % 2].acknowledge(chat, delivered=n, read=n // 2) for n in range(21))
    )

    position = (await standing(bob, chat))["position"]
    assert (position["deliveredSeq"], position["readSeq"]) == (20, 10)
