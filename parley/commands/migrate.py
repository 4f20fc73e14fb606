"""`migrate`: bring the database up to date; without DATABASE_URL, that of a running `dev`.

Where the database has the extension Citus, tables that are not distributed yet are distributed.
"""

import argparse
from collections.abc import Sequence

from models.distribution import DEFAULT_SHARDS, MOST_SHARDS
from parley.embedded.running import with_running
from parley.logs import configure_logging
from parley.migrations import migrate
from parley.settings import Settings, SettingsError


def run(settings: Settings, arguments: Sequence[str], *, told: bool) -> int:
    configure_logging(development=settings.development)
    shards = _parse(arguments).shards
    database_url = with_running(settings).database_url
    if database_url is None:
        raise SettingsError(
            "DATABASE_URL must name a PostgreSQL database, or `python -m parley dev` must run."
        )
    migrate(database_url, shards=shards)
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m parley migrate")
    parser.add_argument(
        "--shards",
        type=int,
        default=DEFAULT_SHARDS,
        choices=range(1, MOST_SHARDS + 1),
        metavar="NUMBER",
        help=f"with Citus: into how many shards tables are cut (1 to {MOST_SHARDS}, "
        f"as a rule {DEFAULT_SHARDS}); it cannot be changed later without moving all rows",
    )
    return parser.parse_args(arguments)
