"""A seeded world: what the models find in it, and who is let in by its tokens."""

from datetime import UTC, datetime, timedelta

import pytest_asyncio

from models import ids
from models.channels.channels import Chat, Group, find_channel, list_channels, page_channels
from models.channels.members import MemberRole, page_members
from models.channels.viewer_states import count_unread
from models.devices.sessions import Sessions
from models.devices.viewer import Viewer
from models.messages.fates import MessageStatus, list_fates
from models.messages.notices import NoticeKind
from models.messages.reading import find_message, page_messages
from models.messages.search_index import BLOCK_ENTRIES, BUILT_AT_ONCE
from models.postgresql.database import Database
from models.seeding.seeding import seed_world
from models.seeding.worlds import World, WorldPlan
from models.tokens import Tokens

PLAN = WorldPlan(pairs=2, group_members=5, history=120, idle=3)


def inner(conv: str) -> str:
    channel_id = ids.parse_plain("chn", conv)
    assert channel_id is not None
    return channel_id


async def seed(database: Database, tokens: Tokens, plan: WorldPlan = PLAN) -> World:
    async with database.connection() as connection:
        return await seed_world(connection, tokens, plan, now=datetime.now(UTC))


@pytest_asyncio.fixture
async def world(database: Database, tokens: Tokens) -> World:
    return await seed(database, tokens)


async def enter(database: Database, tokens: Tokens, token: str) -> Viewer:
    viewer = await Sessions(database, tokens).authenticate(f"Bearer {token}")
    assert viewer is not None
    return viewer


async def test_has_as_many_of_each_as_was_asked(database: Database, world: World) -> None:
    counts = [
        await database.fetchval(f"SELECT count(*) FROM {table}")
        for table in ("users", "devices", "channels", "members")
    ]

    # Two people a pair, the group, two of the history, the idle; the third of those keeps notes.
    assert counts == [14, 14, 2 + 1 + 1 + 2, 2 * 2 + 5 + 2 + 3]
    assert (len(world.pairs), len(world.group.members), len(world.idle)) == (2, 5, 3)
    assert world.group.sender in world.group.members


async def test_lets_its_people_in_for_as_long_as_their_tokens_say(
    database: Database, tokens: Tokens, world: World
) -> None:
    for pair in world.pairs:
        one = await enter(database, tokens, pair.a)
        other = await enter(database, tokens, pair.b)

        chat = await find_channel(database, one.user.id, inner(pair.conv))

        assert isinstance(chat, Chat)
        assert chat.peer_id == other.user.id
        left = one.token_expires_at - datetime.now(UTC)
        assert left > timedelta(seconds=tokens.limits.access_token_ttl_s - 60)
        expires_at = await database.fetchval(
            "SELECT access_expires_at FROM devices WHERE id = $1", one.device_id
        )
        assert expires_at == one.token_expires_at


async def test_names_for_each_idle_token_a_chat_of_theirs(
    database: Database, tokens: Tokens, world: World
) -> None:
    for idle in world.idle:
        viewer = await enter(database, tokens, idle.token)

        assert list(await list_channels(database, viewer.user.id, [inner(idle.conv)]))


async def test_fills_the_group(database: Database, tokens: Tokens, world: World) -> None:
    sender = await enter(database, tokens, world.group.sender)

    group_id = inner(world.group.conv)
    pages = await page_members(database, sender.user.id, [group_id], first=50, after_user_id=None)
    members, more = pages[group_id]

    people = {(await enter(database, tokens, t)).user.id for t in world.group.members}
    assert ({member.user_id for member in members}, more) == (people, False)
    group = await find_channel(database, sender.user.id, inner(world.group.conv))
    assert isinstance(group, Group)
    assert (group.member_count, group.viewer_role) == (5, MemberRole.OWNER)


async def test_begins_the_groups_log_with_who_made_it(
    database: Database, tokens: Tokens, world: World
) -> None:
    sender = await enter(database, tokens, world.group.sender)

    first = await find_message(database, sender.user.id, inner(world.group.conv), 1)

    assert first is not None
    assert first.system is not None
    assert (first.system.kind, first.system.actor_id) == (
        NoticeKind.GROUP_CREATED,
        sender.user.id,
    )


async def test_numbers_the_history_without_a_gap_up_to_the_head(
    database: Database, world: World
) -> None:
    heads = await database.fetch(
        "SELECT c.last_seq, count(m.seq), min(m.seq), max(m.seq), max(m.sent_at) = c.last_at "
        "FROM channels c JOIN messages m ON m.channel_id = c.id GROUP BY c.id ORDER BY c.last_seq"
    )

    assert [tuple(head) for head in heads] == [
        (length, length, 1, length, True) for length in (50, 50, 100, 120)
    ]


async def test_leaves_the_newest_messages_of_the_history_in_every_state(
    database: Database, tokens: Tokens, world: World
) -> None:
    viewer = await enter(database, tokens, world.history.token)
    channel_id = inner(world.history.conv)

    page, _ = await page_messages(
        database,
        viewer.user.id,
        channel_id,
        after_seq=None,
        before_seq=None,
        first=None,
        last=50,
    )
    own = [(channel_id, m.seq) for m in page if m.sender_id == viewer.user.id]
    fates = await list_fates(database, viewer.user.id, own)

    assert [(seq, fates[place].status) for place in own[-7:] for _, seq in [place]] == [
        (108, MessageStatus.READ),
        (110, MessageStatus.READ),
        (112, MessageStatus.DELIVERED),
        (114, MessageStatus.DELIVERED),
        (116, MessageStatus.SENT),
        (118, MessageStatus.SENT),
        (120, MessageStatus.SENT),
    ]
    assert all(f.seen_at is not None for f in fates.values() if f.status is MessageStatus.READ)
    assert await count_unread(database, viewer.user.id, [channel_id], most=1000) == {channel_id: 5}


async def test_has_a_long_log_indexed_for_search(database: Database, tokens: Tokens) -> None:
    blocks = BUILT_AT_ONCE + 2
    plan = WorldPlan(pairs=1, group_members=2, history=blocks * BLOCK_ENTRIES + 9, idle=0)

    world = await seed(database, tokens, plan)

    heads = await database.fetch("SELECT channel_id, built_seq FROM search_heads")
    assert [tuple(row) for row in heads] == [(inner(world.history.conv), blocks * BLOCK_ENTRIES)]
    assert await database.fetchval("SELECT count(*) FROM search_blocks") == blocks


async def test_begins_a_devices_inbox_at_the_end(
    database: Database, tokens: Tokens, world: World
) -> None:
    viewer = await enter(database, tokens, world.history.token)

    assert (
        await database.fetchval(
            "SELECT delivered_seq FROM device_positions WHERE device_id = $1", viewer.device_id
        )
        == 120
    )


async def test_adds_another_world_beside_the_first(database: Database, tokens: Tokens) -> None:
    first = await seed(database, tokens)
    second = await seed(database, tokens)

    assert {pair.conv for pair in first.pairs}.isdisjoint(pair.conv for pair in second.pairs)
    assert await database.fetchval("SELECT count(*) FROM channels") == 2 * 6


async def test_may_be_small(database: Database, tokens: Tokens) -> None:
    plan = WorldPlan(pairs=0, group_members=2, history=0, idle=0)

    world = await seed(database, tokens, plan)

    viewer = await enter(database, tokens, world.history.token)
    assert (world.pairs, world.idle) == ([], [])
    found = await page_channels(
        database, viewer.user.id, count=50, backwards=False, after=None, before=None, kind=None
    )
    assert found == ([], False)
