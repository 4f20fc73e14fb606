"""Describes the commands of `python -m parley` and their arguments.

It imports none of the commands, so that a wrong word is told at once, and the supervisor loads no
more than it needs.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from models.postgresql.distribution import DEFAULT_SHARDS, MOST_SHARDS

PROGRAM = "python -m parley"


def _takes_nothing(_: argparse.ArgumentParser) -> None:
    return None


class Command(NamedTuple):
    """`module` has the command's `run`. `summary` is its line in the list of commands, and
    `description` what its own help says first.
    """

    module: str
    summary: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None] = _takes_nothing


def _add_to_migrate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--shards",
        type=_between(1, MOST_SHARDS),
        default=DEFAULT_SHARDS,
        metavar="NUMBER",
        help=f"with Citus: into how many shards the tables are cut (1 to {MOST_SHARDS}; "
        f"{DEFAULT_SHARDS} where you do not say); it cannot be changed later without moving all "
        "rows",
    )


def _add_to_jobs(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="<action>", title="Actions")
    actions.add_parser("list", help="show kinds, states, ages and last errors (the default)")
    actions.add_parser("failed", help="show what was set aside, the newest first")
    for name, does in (("retry", "queue these jobs again"), ("drop", "delete these jobs")):
        one = actions.add_parser(name, help=does)
        one.add_argument(
            "job_ids", metavar="ID", type=_read_id, nargs="+", help="its id, as `failed` shows it"
        )
    every = actions.add_parser("retry-all", help="queue all jobs of a kind again")
    every.add_argument("kind", metavar="KIND", help="the kind, as `list` shows it")


def _add_to_metrics(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", choices=("page", "alerts", "dashboard"), nargs="?", default="page", help="which"
    )


def _add_to_site(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="the folder, which is new")


def _add_to_check_media(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--repair", action="store_true", help="first delete the objects that no row names"
    )


def _add_to_seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--world",
        metavar="FILE",
        type=_in_a_folder,
        required=True,
        help="the file that gets the ids and tokens, as JSON",
    )
    for name, least, most, meaning in (
        ("--pairs", 0, 10_000, "chats of two users"),
        ("--group-members", 2, 100, "users in the one group"),
        ("--history", 0, 1_000_000, "messages in the one long chat"),
        ("--idle", 0, 100_000, "more users, who chat two by two"),
    ):
        parser.add_argument(
            name,
            metavar="NUMBER",
            type=_between(least, most),
            default=argparse.SUPPRESS,
            help=f"{meaning}, {least} to {most}",
        )


COMMANDS = {
    "dev": Command(
        "parley.commands.dev",
        "everything: PostgreSQL, Valkey, S3, migrations, API, worker",
        "Run everything that Parley needs on this machine, in one data directory, and keep it up. "
        "A service that DATABASE_URL, REDIS_URL or S3_ENDPOINT_URL names is used as it is.",
    ),
    "serve": Command(
        "parley.commands.serve",
        "API processes only",
        "Run the API: one process, or as many as PARLEY_API_PROCESSES says.",
    ),
    "work": Command(
        "parley.commands.work",
        "the worker only",
        "Run the worker, which renders media, sends pushes and repairs what was missed.",
    ),
    "migrate": Command(
        "parley.commands.migrate",
        "bring the database up to date",
        "Bring the database at DATABASE_URL up to date; without it, that of a running `dev`. Where "
        "the database has Citus, tables that are not distributed yet are distributed.",
        _add_to_migrate,
    ),
    "schema": Command(
        "parley.commands.schema",
        "print the GraphQL schema",
        "Print the GraphQL schema, as schema.graphql holds it.",
    ),
    "features": Command(
        "parley.commands.features",
        "print the page of mutations",
        "Print what each mutation may answer and cause, as docs/features.md holds it.",
    ),
    "errors": Command(
        "parley.commands.errors",
        "print the page of codes",
        "Print every code of a refusal, error or close, as docs/errors.md holds it.",
    ),
    "site": Command(
        "parley.commands.site",
        "write the sources of the site",
        "Write the pages of docs/ and the reference of the schema into a new folder, for Sphinx.",
        _add_to_site,
    ),
    "settings": Command(
        "parley.commands.settings",
        "print the page of settings",
        "Print every setting with its default and meaning, as docs/settings.md holds them.",
    ),
    "metrics": Command(
        "parley.commands.metrics",
        "print the page of metrics, the alert rules or Grafana's dashboard",
        "Print every metric with its labels and meaning (docs/metrics.md), the alert rules for "
        "Prometheus, or the dashboard for Grafana (deploy/).",
        _add_to_metrics,
    ),
    "check-database": Command(
        "parley.commands.check_database",
        "compare the migrations with the code",
        "Compare the database at DATABASE_URL with the tables and functions that the code "
        "describes; without it, one that the migrations make for this purpose. The exit code is 1 "
        "where they differ.",
    ),
    "check-schema": Command(
        "parley.commands.check_schema",
        "compare the GraphQL schema with that of the last release",
        "Say what would break clients of the last release (docs/releases/). The exit code is 1 "
        "where something would.",
    ),
    "jobs": Command(
        "parley.commands.jobs",
        "what workers have to do; try again what was set aside",
        "Show the jobs that wait, run and were set aside, and decide about the latter. It needs "
        "PostgreSQL only, and works whether a worker runs or not.",
        _add_to_jobs,
    ),
    "check-media": Command(
        "parley.commands.check_media",
        "compare storage with the rows of media",
        "Count and name objects in storage that no row names, and objects that rows name and "
        "storage lacks. The exit code is 1 where there are any.",
        _add_to_check_media,
    ),
    "seed": Command(
        "parley.commands.seed",
        "development only: make people, chats and history",
        "Make users, chats, a group and a long history; in development only.",
        _add_to_seed,
    ),
}


class _Help(argparse.HelpFormatter):
    """Begins with a capital letter, as sentences do."""

    def add_usage(
        self, usage: str | None, actions: Any, groups: Any, prefix: str | None = None
    ) -> None:
        super().add_usage(usage, actions, groups, "Usage: " if prefix is None else prefix)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in a sentence, after the usage; the exit code is 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": _Help, "allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.format_usage()}{self.prog} cannot run: {message}.\n")


def print_usage() -> str:
    """Return the list of commands."""
    lines = [f"  {name:<15} {command.summary}\n" for name, command in COMMANDS.items()]
    return (
        f"Usage: {PROGRAM} <command>\n\n{''.join(lines)}\n"
        f"`{PROGRAM} <command> --help` says more about one.\n"
    )


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read a command, whose name must be known, and its arguments. `command` is its name.

    Raises:
        SystemExit: after help was shown, or a sentence about what is wrong.
    """
    parser = _Parser(prog=PROGRAM, add_help=False)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    for name, command in COMMANDS.items():
        command.add_arguments(commands.add_parser(name, description=command.description))
    arguments, unknown = parser.parse_known_args(words)
    if unknown:
        commands.choices[arguments.command].error(f"it knows no {unknown[0]!r}")
    return arguments


def _read_id(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"the id of a job is a number, not {text!r}")
    return int(text)


def _between(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"it must be between {least} and {most}, not {text}")
        return int(text)

    return number


def _in_a_folder(text: str) -> Path:
    path = Path(text)
    if not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {path.absolute().parent}")
    return path
