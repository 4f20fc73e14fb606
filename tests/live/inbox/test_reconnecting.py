"""Coming back takes as many statements with twenty channels as with two, whatever is new there."""

from collections import defaultdict
from datetime import UTC, datetime
from typing import cast

from models.limits.limits import Limits
from models.log.events import InboxReady, MessageAdded
from models.log.streams.cursors import Cursors
from models.log.streams.named import InboxStart
from models.postgresql.database import Database
from models.seeding.rows import SeededUser, SeedRows
from models.seeding.seeding import write_rows
from models.tokens import Tokens
from subscriptions.feed import Feed
from subscriptions.hub import Hub
from subscriptions.inbox.source import InboxSource
from subscriptions.nodes.node import Node
from tests.database.users.sessions import CountingDatabase

ENTRIES = 8
MISSED = 3


async def make_user(database: Database, tokens: Tokens, channels: int) -> SeededUser:
    """Make one who has so many groups, and has missed something in each."""
    rows = SeedRows(tokens, datetime.now(UTC))
    user, other = rows.add_user(), rows.add_user()
    for _ in range(channels):
        rows.add_group([other, user], ENTRIES)
    async with database.connection() as connection:
        await write_rows(connection, rows)
    await database.execute(
        "UPDATE device_positions SET delivered_seq = $3 WHERE user_id = $1 AND device_id = $2",
        user.user.id,
        user.device_id,
        ENTRIES - MISSED,
    )
    return user


async def come_back(
    database: Database, tokens: Tokens, user: SeededUser
) -> tuple[int, dict[str, list[int]]]:
    """Return how many statements it took, and the seqs that came by channel, before InboxReady."""
    counting = CountingDatabase(database)
    limits = Limits()
    hub = Hub(counting, replay_entries=limits.replay_entries)
    source = InboxSource(
        counting, hub, cast(Node, None), limits, Cursors(tokens), InboxStart(after={})
    )
    came = defaultdict(list)
    ready = 0
    async for occurrence in source.replay(Feed(source, user.user.id, user.device_id)):
        assert not ready
        ready += isinstance(occurrence.value, InboxReady)
        if isinstance(occurrence.value, MessageAdded):
            came[occurrence.value.channel_id].append(occurrence.value.seq)
    assert ready
    return counting.taken, came


async def test_statements_do_not_grow_with_channels(database: Database, tokens: Tokens) -> None:
    taken = []
    for channels in (2, 20):
        user = await make_user(database, tokens, channels)
        statements, came = await come_back(database, tokens, user)
        taken.append(statements)

        assert len(came) == channels
        assert all(seqs == list(range(ENTRIES - MISSED + 1, ENTRIES + 1)) for seqs in came.values())
    # On Citus, as many more as there are servers' pieces that hold the channels.
    assert database.is_distributed or taken[0] == taken[1]
