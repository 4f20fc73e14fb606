"""Events that a client's cache can write by itself: each leads to its channel, member and user, by
ids that cost nothing; what else is asked for is read for all recipients at once.
"""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson
import pytest

from models import ids
from models.background import Background
from models.channel_kinds import ChannelKind
from models.channels.channels import list_channels
from models.channels.members import list_members
from models.limits.limits import Limits
from models.log.events import Occurrence, ReceiptUpdated, TypingUpdated, ViewerChannelUpdated
from models.postgresql.database import Database
from models.users.presence import Presence
from parley.engine.engine import Engine
from parley.engine.sharing import make_renderer
from parley.schema import PUBLIC_FIELDS, make_schema
from schema.event_loads import EventLoads, Together
from tests.client import Json, Stream, until
from tests.groups import LEAVE, inner_id, make_group
from tests.make import MakePerson, Person
from tests.waiting import eventually

CACHED = """subscription { inbox { __typename
    ... on ReceiptUpdated { channel { __typename id kind } member { __typename id } }
    ... on TypingUpdated { channel { __typename id } user { __typename id } }
    ... on ViewerChannelUpdated { channel { __typename id } } } }"""
SHOWN = """subscription { inbox { __typename
    ... on ReceiptUpdated { readSeq channel { __typename id title memberCount unreadCount }
      member { role joinedSeq position { readSeq } user { name } } }
    ... on TypingUpdated { typing channel { title } user { name about } }
    ... on ViewerChannelUpdated { channel { title unreadCount } } } }"""
PRESENCE = "subscription ($ids: [ID!]!) { presence(userIds: $ids) { online user { id %s } } }"
TYPE = "mutation ($id: ID!) { setTyping(channelId: $id, typing: true) { __typename } }"
AT = datetime(2026, 1, 1, tzinfo=UTC)


async def next_of(stream: Stream, typename: str) -> Json:
    happened: Json = (await until(stream, typename))[-1]
    return happened


@pytest.mark.parametrize("kind", ["Chat", "Group"])
async def test_each_event_leads_to_objects_by_id_and_type(
    alice: Person, bob: Person, kind: str
) -> None:
    channel_id = await (alice.open_chat(bob) if kind == "Chat" else make_group(alice, bob))
    channel = {"__typename": kind, "id": channel_id}
    member = ids.member_global_id(channel_id[4:], bob.user.id)
    async with alice.follow(CACHED) as stream:
        await until(stream, "InboxReady")
        said = await alice.say(channel_id, "Hello")

        await bob.acknowledge(channel_id, read=said["seq"])
        receipt = await next_of(stream, "ReceiptUpdated")
        await bob.mutate(TYPE, id=channel_id)
        typing = await next_of(stream, "TypingUpdated")
        await alice.acknowledge(channel_id, delivered=said["seq"])
        own = await next_of(stream, "ViewerChannelUpdated")

    assert receipt["channel"] == channel | {"kind": kind.upper()}
    assert receipt["member"] == {"__typename": "Member", "id": member}
    assert typing["channel"] == own["channel"] == channel
    assert typing["user"] == {"__typename": "User", "id": bob.id}


async def test_everybody_is_shown_a_chat_as_they_see_it(
    alice: Person, bob: Person, chat: str
) -> None:
    async with alice.follow(SHOWN) as hers, bob.follow(SHOWN) as his:
        for stream in (hers, his):
            await until(stream, "InboxReady")
        said = await alice.say(chat, "Hello")
        await bob.acknowledge(chat, read=said["seq"])
        receipt = await next_of(hers, "ReceiptUpdated")
        own = await next_of(his, "ViewerChannelUpdated")
        await alice.mutate(TYPE, id=chat)
        typing = await next_of(his, "TypingUpdated")

    assert receipt == {
        "__typename": "ReceiptUpdated",
        "readSeq": 1,
        "channel": {
            "__typename": "Chat",
            "id": chat,
            "title": "Bob",
            "memberCount": 2,
            "unreadCount": 0,
        },
        "member": {
            "role": "MEMBER",
            "joinedSeq": 1,
            "position": {"readSeq": 1},
            "user": {"name": "Bob"},
        },
    }
    assert own["channel"] == {"title": "Alice", "unreadCount": 0}
    assert typing["channel"] == {"title": "Alice"}
    assert typing["user"] == {"name": "Alice", "about": None}


@pytest.mark.parametrize("more", ["", "name"])
async def test_presence_leads_to_its_user(alice: Person, bob: Person, more: str) -> None:
    async with alice.follow(PRESENCE % more, ids=[bob.id]) as stream, bob.follow(CACHED):
        seen = await stream.event()
        assert seen["user"] == {"id": bob.id} | ({"name": "Bob"} if more else {})


@pytest.mark.parametrize("kind", [ChannelKind.CHAT, ChannelKind.GROUP])
def test_what_a_cache_writes_is_rendered_without_reading(kind: ChannelKind) -> None:
    """There is no context that could read; what many get is rendered once."""
    engine = Engine(make_schema(), limits=Limits(), public_fields=PUBLIC_FIELDS)
    operation = engine.prepare(CACHED, None)
    channel_id, user_id = ids.new_id(), ids.new_id()
    events: list[Any] = [
        ReceiptUpdated(AT, channel_id, user_id, 2, 1, kind),
        TypingUpdated(AT, channel_id, user_id, True, AT, kind),
        ViewerChannelUpdated(AT, channel_id, user_id, 2, 1, 0, 2, None, kind),
    ]
    for event in events:
        occurrence = Occurrence(event, {})
        text = make_renderer(engine, operation, None, lambda: None)(occurrence)
        assert isinstance(text, str)
        answer = orjson.loads(text)["data"]["inbox"]
        assert answer["channel"]["id"] == ids.channel_global_id(channel_id)
        shared = list((occurrence.renderings or {}).values())
        assert shared == ([] if isinstance(event, ViewerChannelUpdated) else [text])

    presence = engine.prepare(PRESENCE % "", None)
    seen = make_renderer(engine, presence, {"ids": []}, lambda: None)
    assert isinstance(seen(Presence(user_id, True, None)), str)


async def test_many_recipients_are_each_told_what_they_may_see(
    alice: Person, person: MakePerson
) -> None:
    """Ten authors are told that Alice has read; each asks for what she is, and their group."""
    others = [await person(f"Author {n}") for n in range(10)]
    group = await make_group(alice, *others)
    last = [(await each.say(group, "Hello"))["seq"] for each in others][-1]
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(each.follow(SHOWN)) for each in others]
        for stream in streams:
            await until(stream, "InboxReady")

        await alice.acknowledge(group, read=last)
        told = [await next_of(stream, "ReceiptUpdated") for stream in streams]

    assert [event["channel"]["title"] for event in told] == ["Hikers"] * 10
    assert [event["channel"]["unreadCount"] for event in told] == [9] * 10
    assert [event["member"]["position"] for event in told] == [{"readSeq": last}] * 10


class Counted(Database):
    """Counts the statements."""

    statements = 0

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]:
        self.statements += 1
        return await super().fetch(query, *args)


async def test_what_many_ask_for_at_once_takes_one_statement_and_is_what_each_would_read(
    alice: Person, bob: Person, carol: Person, chat: str, database: Database
) -> None:
    """Bob hides what he reads, which a chat does not show and a group does; Carol has left."""
    await bob.mutate("mutation { updatePrivacy(input: {readReceipts: false}) { __typename } }")
    group = await make_group(alice, bob, carol)
    for channel_id in (chat, group):
        said = await alice.say(channel_id, "Hello")
        await bob.acknowledge(channel_id, read=said["seq"])
    await carol.mutate(LEAVE, groupId=group)
    counted = Counted(database.pool, database.url)
    loads = EventLoads(counted)
    viewers = [each.user.id for each in (alice, bob, carol)]
    channels = [inner_id(each) for each in (chat, group)]
    pairs = [(viewer, channel) for viewer in viewers for channel in channels]
    members = [(*pair, user) for pair in pairs for user in viewers]

    seen = await asyncio.gather(*map(loads.channels.find, pairs))
    found = await asyncio.gather(*map(loads.members.find, members))
    people = await asyncio.gather(*map(loads.users.find, viewers))

    assert counted.statements == 3
    assert [each and each.name for each in people] == ["Alice", "Bob", "Carol"]
    for (viewer, channel), channel_found in zip(pairs, seen, strict=True):
        alone = await list_channels(database, viewer, [channel])
        assert channel_found == alone.get(channel)
    for (viewer, channel, user), member_found in zip(members, found, strict=True):
        place = (channel, user)
        assert member_found == (await list_members(database, viewer, [place])).get(place)
    assert sum(each is not None for each in found) == 8
    await loads.close()


async def test_a_reading_that_fails_fails_for_those_who_asked_and_no_later_ones() -> None:
    background, failing = Background(), [True]

    async def read(keys: list[str]) -> dict[str, str]:
        if failing.pop():
            raise ConnectionError
        return dict.fromkeys(keys, "found")

    together: Together[str, str] = Together(background, "tested", read)
    first = await asyncio.gather(*map(together.find, "aab"), return_exceptions=True)
    assert [type(each) for each in first] == [ConnectionError] * 3

    failing.append(False)
    assert await together.find("a") == "found"
    await eventually(lambda: not together._waiting)
    await background.close()
