"""What `seed` is told, and what it does: a world in the database, its ids and tokens in a file that
only we can read.
"""

import argparse
import asyncio
import dataclasses
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from models.database import connect
from models.seeding.seeding import seed_world
from models.seeding.worlds import World, WorldPlan
from models.tokens import Tokens
from parley.embedded.folder import write_whole
from parley.settings import Settings

TOKEN_TTL_S = 24 * 3600


def main(settings: Settings, arguments: Sequence[str]) -> int:
    asked = _parse(arguments)
    plan = WorldPlan(
        pairs=asked.pairs,
        group_members=asked.group_members,
        history=asked.history,
        idle=asked.idle,
    )
    world = asyncio.run(_seed(settings, plan))
    write_whole(asked.world, msgspec.json.encode(world).decode())
    sys.stderr.write(f"The ids and tokens are in {asked.world}; the tokens hold for a day.\n")
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


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    plan = WorldPlan()
    parser = argparse.ArgumentParser(
        prog="python -m parley seed",
        description="Make people, chats, a group and a long history; for development only.",
    )
    parser.add_argument(
        "--world", metavar="FILE", type=Path, required=True, help="gets ids and tokens, as JSON"
    )
    for name, least, most, default, meaning in (
        ("--pairs", 0, 10_000, plan.pairs, "chats of two people"),
        ("--group-members", 2, 100, plan.group_members, "people in the one group"),
        ("--history", 0, 1_000_000, plan.history, "messages in the one long chat"),
        ("--idle", 0, 100_000, plan.idle, "more people, who chat two by two"),
    ):
        parser.add_argument(
            name,
            metavar="N",
            type=_between(least, most),
            default=default,
            help=f"{meaning} ({default})",
        )
    asked = parser.parse_args(arguments)
    if not asked.world.absolute().parent.is_dir():
        parser.error(f"there is no folder {asked.world.absolute().parent} for the file of --world")
    return asked


def _between(least: int, most: int) -> Callable[[str], int]:
    def count(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be between {least} and {most}, not {value}")
        return value

    return count
