"""Seeding: users, devices, chats, one group and one long history in bulk, for development and
measuring.

Everything goes in by COPY in one transaction, so that a seed is there whole or not at all. Seeding
again adds another world beside the first: ids are new. The users have no phone number: nobody can
sign in as them, and their tokens are all that lets anybody in.
"""

from datetime import datetime

from models import ids
from models.messages.search_index import BLOCK_ENTRIES, build_search_blocks
from models.postgresql.database import Connection
from models.seeding.rows import SeedRows
from models.seeding.worlds import GroupAccess, MemberAccess, PairAccess, World, WorldPlan
from models.tokens import Tokens

# A little to begin with. With chats that are empty when the planner looks, it takes every chat but
# the long one for empty, and reads them whole where it should look up one message.
GROUP_ENTRIES = 100
PAIR_ENTRIES = 50


async def seed_world(
    connection: Connection, tokens: Tokens, plan: WorldPlan, *, now: datetime
) -> World:
    """Make it all, and let the planner know. The tokens hold as long as those that `tokens` makes.

    The connection must bear statements of some seconds.
    """
    seeding = _Seeding(SeedRows(tokens, now))
    world = World(
        pairs=[seeding.add_pair() for _ in range(plan.pairs)],
        group=seeding.add_group(plan.group_members),
        history=seeding.add_history(plan.history),
        idle=seeding.add_idle(plan.idle),
    )
    await write_rows(connection, seeding.rows)
    return world


async def write_rows(connection: Connection, made: SeedRows) -> None:
    """Copy the rows into the database in one transaction, index long logs for search, and let the
    planner know.
    """
    async with connection.transaction():
        for table, rows in made.rows.items():
            await connection.copy_records_to_table(table, records=rows, columns=made.columns[table])
    for log in made.logs:
        if log.last_seq >= BLOCK_ENTRIES:
            # As its writers would have had it done; else the first searches do, each a little.
            while await build_search_blocks(connection, log.channel_id):
                continue
    # Without it the planner takes the tables for what they were before, for a minute or more.
    await connection.execute(f"ANALYZE {', '.join([*made.rows, 'search_heads', 'search_blocks'])}")


class _Seeding:
    """Makes the parts of a world out of rows."""

    def __init__(self, rows: SeedRows) -> None:
        self.rows = rows

    def add_pair(self) -> PairAccess:
        one, other = self.rows.add_user(), self.rows.add_user()
        log = self.rows.add_chat(one, other, PAIR_ENTRIES)
        return PairAccess(ids.channel_global_id(log.channel_id), one.token, other.token)

    def add_group(self, members: int) -> GroupAccess:
        """Add the group; its owner is the one who sends."""
        users = [self.rows.add_user() for _ in range(members)]
        log = self.rows.add_group(users, GROUP_ENTRIES)
        return GroupAccess(
            ids.channel_global_id(log.channel_id), users[0].token, [user.token for user in users]
        )

    def add_history(self, entries: int) -> MemberAccess:
        """Add a long chat; of what the token's owner wrote, some is read, some delivered, some only
        sent.
        """
        viewer, peer = self.rows.add_user(), self.rows.add_user()
        log = self.rows.add_chat(viewer, peer, entries)
        return MemberAccess(ids.channel_global_id(log.channel_id), viewer.token)

    def add_idle(self, users: int) -> list[MemberAccess]:
        """Add people who chat two by two; an odd one keeps notes."""
        idle: list[MemberAccess] = []
        for place in range(0, users, 2):
            two = [self.rows.add_user() for _ in range(min(2, users - place))]
            conv = ids.channel_global_id(self.rows.add_chat(two[0], two[-1]).channel_id)
            idle += [MemberAccess(conv, user.token) for user in two]
        return idle
