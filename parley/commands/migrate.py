"""`migrate`: bring the database up to date; without DATABASE_URL, that of a running `dev`. So too
the database of JOBS_DATABASE_URL, if there is one: it has the same tables.

Where the database has the extension Citus, tables that are not distributed yet are distributed.
"""

import argparse

from parley.embedded.running import with_running
from parley.logs import configure_logging
from parley.migrations import migrate
from parley.settings import Settings, SettingsError


def run(settings: Settings, arguments: argparse.Namespace, *, told: bool) -> int:
    configure_logging(development=settings.development)
    database_url = with_running(settings).database_url
    if database_url is None:
        raise SettingsError(
            "DATABASE_URL must name a PostgreSQL database, or `python -m parley dev` must run."
        )
    migrate(database_url, shards=arguments.shards)
    if settings.jobs_database_url is not None:
        migrate(settings.jobs_database_url, shards=arguments.shards)
    return 0
