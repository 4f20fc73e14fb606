"""The command line: finds a command's module and runs it.

Only that module is imported, so that the supervisor is up before the GraphQL stack would be loaded.
What an operator can mend is one sentence and an exit code: 2 for a setting or a wrong word, 1 for a
part that did not start.
"""

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, cast

from parley.settings import Settings, SettingsError, read_environment, read_settings
from parley.supervision.part import StartError
from parley.supervision.processes import WHEN_TOLD


class Command(NamedTuple):
    module: str
    summary: str


COMMANDS = {
    "dev": Command(
        "parley.commands.dev", "everything: PostgreSQL, Valkey, S3, migrations, API, worker"
    ),
    "serve": Command("parley.commands.serve", "API processes only"),
    "work": Command("parley.commands.work", "the worker only"),
    "migrate": Command("parley.commands.migrate", "bring the database up to date"),
    "schema": Command("parley.commands.schema", "print the GraphQL schema"),
    "settings": Command("parley.commands.settings", "print the page of settings"),
    "check-database": Command(
        "parley.commands.check_database", "compare the migrations with the code"
    ),
    "jobs": Command(
        "parley.commands.jobs", "what workers have to do; try again what was set aside"
    ),
    "check-media": Command("parley.commands.check_media", "compare storage with the rows of media"),
    "seed": Command("parley.commands.seed", "development only: make people, chats and history"),
}
SEVERAL = "parley.commands.serve_several"


class Runnable(Protocol):
    def run(self, settings: Settings, arguments: Sequence[str], *, told: bool) -> int:
        """The exit code. `told`: a supervisor runs this process beside others."""


def main(arguments: Sequence[str]) -> int:
    told = list(arguments[:1]) == [WHEN_TOLD]
    name, *rest = arguments[1:] if told else arguments or ["--help"]
    if name in ("-h", "--help"):
        sys.stdout.write(usage())
        return 0
    if name not in COMMANDS:
        sys.stderr.write(f"Parley has no command {name!r}.\n\n{usage()}")
        return 2
    return refused(lambda: _run(name, rest, told=told))


def refused(run: Callable[[], int]) -> int:
    """The exit code of `run`; what an operator can mend becomes one sentence."""
    try:
        return run()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def usage() -> str:
    lines = [f"  {name:<15} {command.summary}\n" for name, command in COMMANDS.items()]
    return f"Usage: python -m parley <command>\n\n{''.join(lines)}"


def _run(name: str, arguments: Sequence[str], *, told: bool) -> int:
    environment = read_environment()
    if name == "dev":
        environment.setdefault("PARLEY_ENV", "development")
    settings = read_settings(environment)
    several = name == "serve" and settings.api_processes > 1
    command = cast(Runnable, importlib.import_module(SEVERAL if several else COMMANDS[name].module))
    if told and not os.read(sys.stdin.fileno(), 1):
        # The supervisor has gone, or wants no start any more.
        return 0
    return command.run(settings, arguments, told=told)
