"""The command line: reads the words, then finds the command's module and runs it.

Only that module is imported, so that the supervisor is up before the GraphQL stack would be loaded.
What an operator can mend is one sentence and an exit code: 2 for a setting or a wrong word, 1 for a
part that did not start.
"""

import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from parley.command_line import COMMANDS, parse, print_usage
from parley.settings import Settings, SettingsError, read_environment, read_settings
from parley.supervision.part import StartError
from parley.supervision.processes import WHEN_TOLD

SEVERAL = "parley.commands.serve_several"


class Runnable(Protocol):
    def run(self, settings: Settings, arguments: argparse.Namespace, *, told: bool) -> int:
        """Run the command and return its exit code. `told`: a supervisor runs this process beside
        others.
        """


def main(words: Sequence[str]) -> int:
    told = list(words[:1]) == [WHEN_TOLD]
    words = words[1:] if told else words or ["--help"]
    if words[0] in ("-h", "--help"):
        sys.stdout.write(print_usage())
        return 0
    if words[0] not in COMMANDS:
        sys.stderr.write(_unknown(words[0]))
        return 2
    arguments = parse(words)
    return refused(lambda: _run(arguments, told=told))


def refused(run: Callable[[], int]) -> int:
    """Return the exit code of `run`; what an operator can mend becomes one sentence."""
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


def _unknown(name: str) -> str:
    """Return what is said of a command that there is not; the likeliest one is said last."""
    alike = difflib.get_close_matches(name, COMMANDS, 1)
    likely = f"\nDid you mean {alike[0]!r}?\n" if alike else ""
    return f"Parley has no command {name!r}.\n\n{print_usage()}{likely}"


def _run(arguments: argparse.Namespace, *, told: bool) -> int:
    environment = read_environment()
    if arguments.command == "dev":
        environment.setdefault("PARLEY_ENV", "development")
    settings = read_settings(environment)
    several = arguments.command == "serve" and settings.api_processes > 1
    module = SEVERAL if several else COMMANDS[arguments.command].module
    command = cast(Runnable, importlib.import_module(module))
    if told and not os.read(sys.stdin.fileno(), 1):
        # The supervisor has gone, or wants no start any more.
        return 0
    return command.run(settings, arguments, told=told)
