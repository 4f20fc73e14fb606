"""`jobs`: what waits, what runs and what was set aside; and what is to become of the latter.

It asks PostgreSQL alone, that of a running `dev` where DATABASE_URL names no other: it works
whether a worker runs or not.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from models.jobs.lists import (
    drop_jobs,
    list_failed_jobs,
    list_job_counts,
    list_last_faults,
    retry_jobs,
)
from models.postgresql.database import Database
from models.refusals import Refused
from parley.embedded.running import with_running
from parley.logs import configure_logging
from parley.settings import Settings, SettingsError

FAILED_SHOWN = 200
STATES = ("waiting", "later", "running", "failed")


def run(settings: Settings, arguments: argparse.Namespace, *, told: bool) -> int:
    configure_logging(development=settings.development)
    settings = with_running(settings)
    queue_url = settings.jobs_database_url or settings.database_url
    if not queue_url:
        raise SettingsError("DATABASE_URL must name the database whose jobs are meant.")
    try:
        sys.stdout.write(asyncio.run(_answer(queue_url, arguments)))
    except (Refused, OSError):
        name = "JOBS_DATABASE_URL" if settings.jobs_database_url else "DATABASE_URL"
        sys.stderr.write(f"PostgreSQL cannot be reached at {name}.\n")
        return 1
    return 0


async def _answer(queue_url: str, arguments: argparse.Namespace) -> str:
    database = await Database.open(queue_url, connections=1)
    try:
        match arguments.action:
            case "failed":
                return await _list_failed(database)
            case "retry-all":
                return _said(await retry_jobs(database, None, arguments.kind), "queued again")
            case "retry":
                return _said(await retry_jobs(database, arguments.job_ids, None), "queued again")
            case "drop":
                return _said(await drop_jobs(database, arguments.job_ids), "dropped")
            case _:
                return await _list(database)
    finally:
        await database.close()


async def _list(database: Database) -> str:
    counts = {(each.kind, each.state): each for each in await list_job_counts(database)}
    faults = await list_last_faults(database)
    rows = [["kind", *STATES, "oldest due", "last error"]]
    for kind in sorted({kind for kind, _ in counts}):
        found = [counts.get((kind, state)) for state in STATES]
        due = counts.get((kind, "waiting"))
        fault = faults.get(kind)
        rows.append(
            [
                kind,
                *(str(each.count) if each else "0" for each in found),
                _age(due.age_s) if due else "-",
                f"{fault.name}: {fault.sentence}" if fault else "-",
            ]
        )
    return _table(rows) if len(rows) > 1 else "There are no jobs.\n"


async def _list_failed(database: Database) -> str:
    failed = await list_failed_jobs(database, most=FAILED_SHOWN)
    rows = [["id", "kind", "tries", "age", "error"]]
    rows += [
        [
            str(each.id),
            each.kind,
            str(each.tries),
            _age(each.age_s),
            f"{each.fault.name}: {each.fault.sentence}",
        ]
        for each in failed
    ]
    return _table(rows) if failed else "No job was set aside.\n"


def _said(count: int, what: str) -> str:
    return f"{count} {'job was' if count == 1 else 'jobs were'} {what}.\n"


def _age(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "".join(f"{line}\n" for line in lines)
