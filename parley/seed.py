"""What `seed` is told, and what it does: a world in the database, its ids and tokens in a file that
only we can read.
"""

import argparse
import asyncio
import dataclasses
import sys
from datetime import UTC, datetime

import msgspec

from models.postgresql.database import connect
from models.seeding.seeding import seed_world
from models.seeding.worlds import World, WorldPlan
from models.tokens import Tokens
from parley.embedded.folder import write_whole
from parley.settings import Settings

TOKEN_TTL_S = 24 * 3600


def main(settings: Settings, arguments: argparse.Namespace) -> int:
    given = vars(arguments)
    plan = WorldPlan(**{name: given[name] for name in WorldPlan.__struct_fields__ if name in given})
    world = asyncio.run(_seed(settings, plan))
    write_whole(arguments.world, msgspec.json.encode(world).decode())
    sys.stderr.write(f"The ids and tokens are in {arguments.world}; the tokens hold for a day.\n")
    return 0


async def _seed(settings: Settings, plan: WorldPlan) -> World:
    assert settings.database_url is not None
    limits = dataclasses.replace(settings.limits, access_token_ttl_s=TOKEN_TTL_S)
    connection = await connect(settings.database_url)
    try:
        return await seed_world(
            connection, Tokens(settings.secret, limits), plan, now=datetime.now(UTC)
        )
    finally:
        await connection.close()
