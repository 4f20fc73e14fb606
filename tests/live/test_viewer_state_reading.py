"""Viewers' states are read together, and each viewer gets their own."""

from datetime import UTC, datetime

import asyncpg
import pytest_asyncio

from models.log.events import Occurrence, ViewerChannelUpdated
from models.postgresql.database import Database
from models.seeding.seeding import seed_world
from models.seeding.worlds import WorldPlan
from models.tokens import Tokens
from subscriptions.feed import Feed
from subscriptions.hub import Hub
from subscriptions.viewer_states import PAIRS_AT_ONCE, ViewerStates
from tests.database.users.sessions import CountingDatabase
from tests.unit.feeds.test_feed import Log
from tests.waiting import eventually

MEMBERS = 60


@pytest_asyncio.fixture
async def members(database: Database, tokens: Tokens) -> list[asyncpg.Record]:
    """All members of one group."""
    plan = WorldPlan(pairs=1, group_members=MEMBERS, history=1, idle=1)
    async with database.connection() as connection:
        await seed_world(connection, tokens, plan, now=datetime.now(UTC))
    return await database.fetch(
        "SELECT user_id, channel_id FROM members WHERE channel_id = (SELECT channel_id FROM groups)"
    )


async def test_of_all_whose_turn_has_come_by_one_statement(
    database: Database, members: list[asyncpg.Record]
) -> None:
    counting = CountingDatabase(database)
    hub = Hub(counting, replay_entries=1)
    states = ViewerStates(counting, hub, unread_most=1)
    told: dict[str, list[Occurrence]] = {member["user_id"]: [] for member in members}
    for user_id, occurrences in told.items():
        feed = Feed(Log(), user_id, user_id)
        feed.go_live()
        feed.attach(occurrences.append)
        hub.add(feed)

    for member in members:
        states.want(member["user_id"], member["channel_id"])
    await eventually(lambda: all(told.values()))
    await states.close()

    assert MEMBERS <= PAIRS_AT_ONCE
    assert counting.taken == 1
    for user_id, occurrences in told.items():
        (occurrence,) = occurrences
        assert isinstance(occurrence.value, ViewerChannelUpdated)
        assert occurrence.value.user_id == user_id
