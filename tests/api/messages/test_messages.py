"""Sending: what is stored and answered, repeats, conflicts, and refusals."""

import asyncio
from typing import Any

import pytest

from models.postgresql.database import Database
from tests.make import SEND, AnotherDevice, Person
from tests.serving import Server

UNKNOWN = "0" * 32

SEND_ALL = """mutation ($input: SendMessageInput!) { sendMessage(input: $input) {
    ... on SendMessagePayload { replayed message { id channelId channel { id lastSeq } seq kind
        sender { id name } clientMessageId text location { latitude longitude label }
        replyTo { id text sender { name } } mentions sentAt editedAt deletedAt
        status deliveredAt seenAt deliveredCount readCount } } } }"""
REFRESH = """mutation ($token: String!) { refreshSession(refreshToken: $token) {
    ... on Session { accessToken } } }"""

HISTORY = "query ($id: ID!) { channel(id: $id) { messages(last: 100) { nodes { text } } } }"


async def count(database: Database) -> int:
    stored: int = await database.fetchval("SELECT count(*) FROM messages")
    return stored


async def test_a_message_is_answered_as_it_is_stored(alice: Person, chat: str) -> None:
    sent = await alice.mutate(SEND_ALL, input=alice.draft(chat, "Hello"))

    assert sent["replayed"] is False
    message = sent["message"]
    sent_at = message.pop("sentAt")
    assert len(sent_at) == len("2026-01-31T12:00:00.000Z")
    assert message == {
        "id": f"msg_{chat[4:]}_1",
        "channelId": chat,
        "channel": {"id": chat, "lastSeq": 1},
        "seq": 1,
        "kind": "TEXT",
        "sender": {"id": alice.id, "name": "Alice"},
        "clientMessageId": "Alice-1",
        "text": "Hello",
        "location": None,
        "replyTo": None,
        "mentions": [],
        "editedAt": None,
        "deletedAt": None,
        "status": "SENT",
        "deliveredAt": None,
        "seenAt": None,
        "deliveredCount": 0,
        "readCount": 0,
    }


async def test_a_location_is_sent_with_or_without_text(alice: Person, chat: str) -> None:
    place = {"latitude": -33.8568, "longitude": 151.2153, "label": "Opera House"}

    bare = await alice.mutate(SEND_ALL, input=alice.draft(chat, location=place | {"label": None}))
    told = await alice.mutate(SEND_ALL, input=alice.draft(chat, "Here", location=place))

    assert bare["message"]["kind"] == told["message"]["kind"] == "LOCATION"
    assert bare["message"]["location"] == place | {"label": None}
    assert told["message"]["location"] == place
    assert (bare["message"]["text"], told["message"]["text"]) == (None, "Here")


async def test_a_reply_names_what_it_replies_to(alice: Person, bob: Person, chat: str) -> None:
    asked = await alice.say(chat, "Tea?")

    answer = await bob.mutate(SEND_ALL, input=bob.draft(chat, "Yes!", replyToId=asked["id"]))

    quoted = {"id": asked["id"], "text": "Tea?", "sender": {"name": "Alice"}}
    assert answer["message"]["replyTo"] == quoted


async def test_members_can_be_mentioned_and_nobody_else(
    alice: Person, bob: Person, carol: Person, chat: str, database: Database
) -> None:
    named = await alice.mutate(
        SEND_ALL, input=alice.draft(chat, "You!", mentions=[bob.id, alice.id, bob.id])
    )
    refused = await alice.send(alice.draft(chat, "And you!", mentions=[bob.id, carol.id]))

    assert named["message"]["mentions"] == [bob.id, alice.id]
    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "mentions")
    assert await count(database) == 1


async def test_text_comes_back_letter_for_letter(alice: Person, chat: str) -> None:
    text = "  Zoë 👩‍👩‍👧‍👦\n\tعربى \u202eabc\u202c e\u0301 “quotes” \\u0000 \ufeff "

    assert (await alice.say(chat, text))["text"] == text


async def test_a_repeat_is_answered_with_the_first_message(
    alice: Person, chat: str, other_server: Server, database: Database
) -> None:
    draft = alice.draft(chat, "Once")
    first = await alice.send(draft)

    again = await alice.send(draft)
    elsewhere = await alice.at(other_server).send(draft)

    assert first["replayed"] is False
    assert again == elsewhere == {**first, "replayed": True}
    assert await count(database) == 1


async def test_fifty_repeats_at_once_over_two_nodes_store_once(
    alice: Person, chat: str, other_server: Server, database: Database
) -> None:
    draft = alice.draft(chat, "Once")
    nodes = (alice, alice.at(other_server))

    sent = await asyncio.gather(*(nodes[n % 2].send(draft) for n in range(50)))

    assert len({each["message"]["id"] for each in sent}) == 1
    assert sorted(each["replayed"] for each in sent) == [False] + [True] * 49
    assert await count(database) == 1


async def test_a_repeat_is_known_after_a_refresh_and_from_another_device(
    alice: Person, chat: str, another_device: AnotherDevice
) -> None:
    draft = alice.draft(chat, "Once")
    first = await alice.send(draft)
    session = await alice.mutate(REFRESH, token=alice.refresh_token)

    renewed = await alice.at(alice.server, session["accessToken"]).send(draft)
    from_tablet = await (await another_device(alice)).send(draft)

    assert renewed == from_tablet == {**first, "replayed": True}


@pytest.mark.parametrize(
    "change",
    [
        {"text": "Twice"},
        {"location": {"latitude": 1.0, "longitude": 2.0}},
        {"mentions": "peer"},
        {"replyToId": "first"},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_the_same_id_with_another_draft_is_a_conflict(
    alice: Person, bob: Person, chat: str, database: Database, change: dict[str, Any]
) -> None:
    first = await bob.say(chat, "First")
    draft = alice.draft(chat, "Once")
    await alice.send(draft)
    named = {"peer": [bob.id], "first": first["id"]}
    changed = {
        name: named.get(value, value) if isinstance(value, str) else value
        for name, value in change.items()
    }

    refused = await alice.send(draft | changed)

    assert refused["code"] == "CONFLICT"
    assert refused["field"] == "clientMessageId"
    assert await count(database) == 2


async def test_client_message_ids_are_the_senders_own_and_the_channels(
    alice: Person, bob: Person, carol: Person, chat: str
) -> None:
    """The same id of another sender, or in another channel, is another message."""
    other_chat = await alice.open_chat(carol)
    draft = alice.draft(chat, "Mine")

    mine = await alice.send(draft)
    theirs = await bob.send(draft)
    elsewhere = await alice.send(draft | {"channelId": other_chat})

    assert [each["replayed"] for each in (mine, theirs, elsewhere)] == [False] * 3
    assert [each["message"]["seq"] for each in (mine, theirs, elsewhere)] == [1, 2, 1]


async def test_seq_is_gapless_and_unique_among_all_who_send_at_once(
    alice: Person, bob: Person, chat: str, other_server: Server
) -> None:
    senders = [alice, bob, alice.at(other_server), bob.at(other_server)]

    said = await asyncio.gather(*(senders[n % 4].say(chat, str(n)) for n in range(64)))

    assert sorted(message["seq"] for message in said) == list(range(1, 65))
    by_seq = [message["text"] for message in sorted(said, key=lambda each: each["seq"])]
    for reader in senders:
        page = await reader.mutate(HISTORY, id=chat)
        assert [message["text"] for message in page["messages"]["nodes"]] == by_seq


TOO_MUCH: list[tuple[dict[str, Any], str]] = [
    ({"text": "x" * 4097}, "text"),
    ({"text": "😀" * 4097}, "text"),
    ({"text": ""}, "text"),
    ({"text": " \n\t "}, "text"),
    ({"text": None}, "text"),
    ({"text": "bell\x07"}, "text"),
    ({"clientMessageId": ""}, "clientMessageId"),
    ({"clientMessageId": "x" * 65}, "clientMessageId"),
    ({"clientMessageId": "line\nfeed"}, "clientMessageId"),
    ({"location": {"latitude": 90.1, "longitude": 0.0}}, "location.latitude"),
    ({"location": {"latitude": 0.0, "longitude": -180.1}}, "location.longitude"),
    ({"location": {"latitude": 0.0, "longitude": 0.0, "label": "x" * 201}}, "location.label"),
    ({"mentions": ["usr_" + UNKNOWN] * 101}, "mentions"),
    ({"mentions": ["chn_" + UNKNOWN]}, "mentions.0"),
]


@pytest.mark.parametrize(("change", "field"), TOO_MUCH)
async def test_what_breaks_a_rule_is_refused_and_not_stored(
    alice: Person, chat: str, database: Database, change: dict[str, Any], field: str
) -> None:
    refused = await alice.send(alice.draft(chat, "Hello") | change)

    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", field)
    assert await count(database) == 0
    assert await database.fetchval("SELECT count(*) FROM outbox") == 0


async def test_limits_are_inclusive(alice: Person, chat: str) -> None:
    draft = alice.draft(chat, "😀" * 4096, clientMessageId="é" * 64)

    assert (await alice.send(draft))["message"]["text"] == "😀" * 4096


@pytest.mark.parametrize("reply", ["msg_{other}_1", "msg_{chat}_2", "msg_{chat}_0", "msg_", "x"])
async def test_only_a_message_of_the_channel_can_be_replied_to(
    alice: Person, carol: Person, chat: str, database: Database, reply: str
) -> None:
    other_chat = await alice.open_chat(carol)
    await alice.say(chat, "One")
    await alice.say(other_chat, "One")
    reply_to = reply.format(other=other_chat[4:], chat=chat[4:])

    refused = await alice.send(alice.draft(chat, "Two", replyToId=reply_to))

    assert (refused["code"], refused["field"]) == ("NOT_FOUND", "replyToId")
    assert await count(database) == 2


async def test_a_strangers_chat_refuses_as_one_that_does_not_exist(
    alice: Person, carol: Person, chat: str, database: Database
) -> None:
    await alice.say(chat, "One")
    draft = {"clientMessageId": "1", "text": "Let me in"}
    channel_ids = [chat, "chn_" + UNKNOWN, "usr_" + UNKNOWN, "nonsense"]

    answers = [
        await carol.post(SEND, input=draft | {"channelId": channel_id})
        for channel_id in channel_ids
    ]

    assert len({(answer.status_code, answer.content) for answer in answers}) == 1
    refused = answers[0].json()["data"]["sendMessage"]
    assert (refused["code"], refused["field"]) == ("NOT_FOUND", "channelId")
    assert await count(database) == 1
