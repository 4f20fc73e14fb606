"""`check-media [--repair]`: whether storage and the rows of media agree.

It counts and names objects that no row names (but those that are younger than an hour, which a job
may be about to name), and objects that rows name in vain. `--repair` sweeps, and so deletes the
former; the latter are for a person to look at. The exit code is 1 when anything is left.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from models.log.entries import Batch
from models.postgresql.database import Database
from models.refusals import Refused
from parley.embedded.running import with_running
from parley.logs import configure_logging
from parley.opening import open_storage
from parley.settings import Settings, SettingsError
from parley.worker.jobs import make_media_sweep
from workers.media.sweep import Findings

OLDER_THAN_S = 3600.0
SHOWN = 100


def run(settings: Settings, arguments: argparse.Namespace, *, told: bool) -> int:
    configure_logging(development=settings.development)
    settings = with_running(settings)
    if not settings.database_url:
        raise SettingsError("DATABASE_URL must name the database whose media is meant.")
    try:
        found = asyncio.run(_check(settings, settings.database_url, repair=arguments.repair))
    except (Refused, OSError):
        sys.stderr.write("PostgreSQL or storage cannot be reached.\n")
        return 1
    sys.stdout.write(_told("objects that no row names", found.unnamed))
    sys.stdout.write(_told("objects that rows name and storage lacks", found.missing))
    return 1 if found.unnamed or found.missing else 0


async def _check(settings: Settings, database_url: str, *, repair: bool) -> Findings:
    database = await Database.open(database_url, connections=2, statement_timeout_s=60)
    storage = open_storage(settings)
    # What expires is told to those who follow by the relays of processes that run.
    sweep = make_media_sweep(settings, database, storage, _leave_to_relays)
    try:
        if repair:
            await sweep.sweep()
        found = Findings()
        async for portion in sweep.compare(older_than_s=OLDER_THAN_S):
            found.unnamed += portion.unnamed
            found.missing += portion.missing
        return found
    finally:
        await storage.close()
        await database.close()


def _leave_to_relays(_: Batch) -> None:
    return None


def _told(what: str, keys: Sequence[str]) -> str:
    shown = "".join(f"  {key}\n" for key in keys[:SHOWN])
    more = f"  … and {len(keys) - SHOWN} more\n" if len(keys) > SHOWN else ""
    return f"{len(keys)} {what}\n{shown}{more}"
