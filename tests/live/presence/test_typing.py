"""Typing: told to those who are there, seldom enough, and over when the typer is.

That nothing is sent is shown by what comes next on the same stream.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from models import ids
from models.limits.limits import Limits
from models.log.signals import Signalled, Typed
from models.postgresql.database import Database
from parley.embedded import EmbeddedServers
from subscriptions.typing import Typing
from tests.client import ending, until
from tests.live.feeds import live
from tests.make import AnotherDevice, Person
from tests.serving import Server
from tests.waiting import eventually

TTL_S = Limits().typing_ttl_s
UNKNOWN = "chn_" + "0" * 32

SET_TYPING = """mutation ($id: ID!, $typing: Boolean!) {
    setTyping(channelId: $id, typing: $typing) { __typename
        ... on SetTypingPayload { expiresAt } ... on Refusal { code reason field } } }"""
TYPING = "subscription ($id: ID!) { typingUpdated(channelId: $id) { channelId userId typing } }"
INBOX = """subscription { inbox { __typename at
    ... on MessageAdded { seq }
    ... on ChannelUpdated { seq }
    ... on TypingUpdated { channelId userId typing expiresAt } } }"""
SET_BLOCKED = """mutation ($id: ID!, $blocked: Boolean!) {
    setBlocked(userId: $id, blocked: $blocked) { __typename } }"""
CREATE_GROUP = """mutation ($input: CreateGroupInput!) { createGroup(input: $input) {
    ... on GroupPayload { group { id } } ... on Refusal { reason } } }"""
REMOVE = """mutation ($id: ID!, $user: ID!) { removeMember(groupId: $id, userId: $user) {
    ... on GroupPayload { group { lastSeq } } ... on Refusal { reason } } }"""


async def type_(person: Person, channel_id: str, typing: bool = True) -> datetime:
    answer = await person.mutate(SET_TYPING, id=channel_id, typing=typing)
    assert answer["__typename"] == "SetTypingPayload", answer
    return datetime.fromisoformat(answer["expiresAt"])


async def make_group(owner: Person, *members: Person) -> str:
    made = await owner.mutate(
        CREATE_GROUP, input={"name": "A group", "memberIds": [each.id for each in members]}
    )
    group_id: str = made["group"]["id"]
    return group_id


def typed(person: Person, channel_id: str, typing: bool = True) -> dict[str, Any]:
    return {"channelId": channel_id, "userId": person.id, "typing": typing}


async def test_the_other_members_are_told_with_when_it_ends_by_itself(
    alice: Person, bob: Person, chat: str, other_server: Server
) -> None:
    async with (
        bob.at(other_server).follow(TYPING, id=chat) as channel,
        bob.at(other_server).follow(INBOX) as inbox,
    ):
        await until(inbox, "InboxReady")
        await live(bob.at(other_server), "typing")
        began = datetime.now(UTC)

        expires_at = await type_(alice, chat)
        answered = datetime.now(UTC)

        assert await channel.event() == typed(alice, chat)
        event = await inbox.event()
        assert event["__typename"] == "TypingUpdated"
        assert (event["channelId"], event["userId"], event["typing"]) == (chat, alice.id, True)
        assert datetime.fromisoformat(event["expiresAt"]) == expires_at
        # Its milliseconds are rounded down.
        ttl, rounded = timedelta(seconds=TTL_S), timedelta(milliseconds=1)
        assert began - rounded <= expires_at - ttl <= answered


async def test_a_stop_is_told_at_once_and_once(
    alice: Person, bob: Person, chat: str, other_server: Server
) -> None:
    """Whichever process is asked."""
    async with bob.at(other_server).follow(INBOX) as inbox:
        await until(inbox, "InboxReady")
        await type_(alice, chat)
        # Two processes may cross: the stop comes after the start was seen.
        events = await until(inbox, "TypingUpdated")
        await type_(alice.at(other_server), chat, False)
        await type_(alice, chat, False)
        await type_(alice.at(other_server), chat, False)
        await alice.say(chat, "What I typed")

        events += await until(inbox, "MessageAdded")

    assert [event.get("typing") for event in events] == [True, False, None]
    assert events[1]["expiresAt"] == events[1]["at"]


async def test_nobody_is_told_of_a_stop_without_a_start(
    alice: Person, bob: Person, chat: str
) -> None:
    async with bob.follow(INBOX) as inbox:
        await until(inbox, "InboxReady")
        await type_(alice, chat, False)
        await alice.say(chat, "Nothing was typed")

        assert (await inbox.event())["__typename"] == "MessageAdded"


@pytest.mark.parametrize("alternating", [True, False])
async def test_a_thousand_in_a_second_are_a_few_for_each_recipient(
    alice: Person, bob: Person, chat: str, server: Server, other_server: Server, alternating: bool
) -> None:
    both = [alice.at(server), alice.at(other_server)]
    async with bob.at(other_server).follow(INBOX) as inbox:
        await until(inbox, "InboxReady")
        began = asyncio.get_running_loop().time()
        for start in range(0, 1000, 50):
            await asyncio.gather(
                *(
                    type_(both[n % 2], chat, not alternating or n % 4 < 2)
                    for n in range(start, start + 50)
                )
            )
        took_s = asyncio.get_running_loop().time() - began
        await alice.say(chat, "Enough")

        events = await until(inbox, "MessageAdded")

    # A start an interval, and its stop.
    intervals = 1 + int(took_s // Limits().typing_interval_s)
    assert 1 <= len(events) - 1 <= 2 * intervals
    assert len(events) - 1 <= 4 or took_s > 6


async def test_typing_on_is_told_again_when_the_interval_is_over(
    alice: Person, bob: Person, chat: str, served_with: Any
) -> None:
    async with (
        served_with(typing_interval_s=0.2, typing_ttl_s=0.4) as node,
        bob.at(node).follow(TYPING, id=chat) as stream,
    ):
        await live(bob.at(node), "typing")
        first = await type_(alice.at(node), chat)

        async def goes_on() -> bool:
            return await type_(alice.at(node), chat) > first

        await eventually(goes_on)
        assert [await stream.event(), await stream.event()] == [typed(alice, chat)] * 2


async def test_it_ends_with_the_typer_s_last_socket(
    alice: Person, bob: Person, chat: str, another_device: AnotherDevice, other_server: Server
) -> None:
    tablet = await another_device(alice)
    async with bob.at(other_server).follow(TYPING, id=chat) as stream:
        await live(bob.at(other_server), "typing")
        async with alice.socket() as last:
            async with tablet.socket():
                await type_(alice, chat)
                assert await stream.event() == typed(alice, chat)
            # Told within a moment if it were.
            assert await last.query("{ viewer { id } }")

            last.connection.transport.abort()

            assert await stream.event() == typed(alice, chat, False)


async def test_the_typer_s_own_devices_are_not_told(
    alice: Person, bob: Person, chat: str, another_device: AnotherDevice
) -> None:
    tablet = await another_device(alice)
    async with tablet.follow(INBOX) as inbox:
        await until(inbox, "InboxReady")
        await type_(alice, chat)
        await bob.say(chat, "I see you type")

        assert (await inbox.event())["__typename"] == "MessageAdded"


async def test_only_the_channel_that_is_followed(
    alice: Person, bob: Person, carol: Person, chat: str
) -> None:
    other = await carol.open_chat(bob)
    async with bob.follow(TYPING, id=chat) as stream:
        await live(bob, "typing")
        await type_(carol, other)
        await type_(alice, chat)

        assert await stream.event() == typed(alice, chat)


async def test_a_channel_of_others_is_as_one_that_does_not_exist(
    chat: str, carol: Person, server: Server
) -> None:
    for document, more in ((SET_TYPING, {"typing": True}), (SET_TYPING, {"typing": False})):
        answers = {
            (await carol.post(document, id=channel_id, **more)).content
            for channel_id in (chat, UNKNOWN, carol.id, "")
        }
        assert len(answers) == 1
        assert b"NOT_FOUND" in answers.pop()
    for channel_id in (chat, UNKNOWN):
        async with carol.follow(TYPING, id=channel_id) as stream:
            assert (await ending(stream)).codes == ["NOT_FOUND"]


@pytest.mark.parametrize("who", ["typer", "peer"])
async def test_a_block_refuses_it(alice: Person, bob: Person, chat: str, who: str) -> None:
    blocker, blocked = (alice, bob) if who == "typer" else (bob, alice)
    await blocker.mutate(SET_BLOCKED, id=blocked.id, blocked=True)

    answer = await alice.mutate(SET_TYPING, id=chat, typing=True)

    assert (answer["code"], answer["field"]) == ("BLOCKED", "channelId")


async def test_who_was_removed_hears_no_more_of_it(
    alice: Person, bob: Person, carol: Person, other_server: Server
) -> None:
    group = await make_group(alice, bob, carol)
    async with (
        carol.at(other_server).follow(INBOX) as inbox,
        carol.at(other_server).follow(TYPING, id=group) as stream,
    ):
        await until(inbox, "InboxReady")
        await live(carol.at(other_server), "typing")
        await type_(bob, group)
        assert await stream.event() == typed(bob, group)
        assert (await inbox.event())["typing"]

        await alice.mutate(REMOVE, id=group, user=carol.id)
        await type_(alice, group)
        answers = {
            (await carol.post(SET_TYPING, id=channel_id, typing=True)).content
            for channel_id in (group, UNKNOWN)
        }
        assert len(answers) == 1
        assert b"NOT_FOUND" in answers.pop()
        chat = await alice.open_chat(carol)
        await alice.say(chat, "You are out")

        assert (await ending(stream)).complete
        assert [e["__typename"] for e in await until(inbox, "MessageAdded")] == [
            "ChannelUpdated",
            "MessageAdded",
        ]


# -------------------------------------------------------------------- without Valkey


@pytest_asyncio.fixture
async def nowhere(embedded: EmbeddedServers) -> AsyncIterator[Redis]:
    """A Valkey that is away."""
    client = Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    yield client
    await client.aclose()


async def test_while_valkey_is_away_a_process_counts_for_itself(
    alice: Person, bob: Person, chat: str, database: Database, nowhere: Redis
) -> None:
    told: list[Signalled] = []
    patient = Typing(nowhere, database, told.extend, Limits(typing_interval_s=60, typing_ttl_s=60))
    channel_id = ids.parse_plain("chn", chat)
    assert channel_id is not None

    await patient.set_typing(alice.user.id, channel_id, True)
    for _ in range(5):
        await patient.set_typing(alice.user.id, channel_id, True)
    assert [(s.user_ids, _typing(s)) for s in told] == [([bob.user.id], True)]

    patient.end(alice.user.id)
    await eventually(lambda: [_typing(s) for s in told] == [True, False])
    await patient.close()


async def test_while_valkey_is_away_a_process_tells_again_when_the_interval_is_over(
    alice: Person, chat: str, database: Database, nowhere: Redis
) -> None:
    told: list[Signalled] = []
    typing = Typing(nowhere, database, told.extend, Limits(typing_interval_s=0.2, typing_ttl_s=0.4))
    channel_id = ids.parse_plain("chn", chat)
    assert channel_id is not None

    async def is_told_twice() -> bool:
        await typing.set_typing(alice.user.id, channel_id, True)
        return len(told) == 2

    await eventually(is_told_twice)
    assert [_typing(s) for s in told] == [True, True]
    await typing.close()


def _typing(signalled: Signalled) -> bool:
    assert isinstance(signalled.signal, Typed)
    return signalled.signal.typing
