"""`check-database`: whether the migrations make the database that the code describes."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from parley.embedded import EmbeddedServers
from parley.logs import configure_logging
from parley.migrations import list_differences, migrate
from parley.settings import Settings


def run(settings: Settings, arguments: argparse.Namespace, *, told: bool) -> int:
    configure_logging(development=True)
    if settings.database_url is not None:
        return _compare(settings.database_url)
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedServers(Path(folder), only=["postgresql"], durable=False) as servers,
    ):
        migrate(servers.database_url)
        return _compare(servers.database_url)


def _compare(database_url: str) -> int:
    differences = asyncio.run(list_differences(database_url))
    sys.stderr.writelines(f"{difference}\n" for difference in differences)
    return 1 if differences else 0
