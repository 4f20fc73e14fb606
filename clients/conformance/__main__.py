"""`python -m clients.conformance -- node adapter.js`: run the scenarios against a client."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from clients.conformance.driver import Driver, Program
from clients.conformance.report import name_of, run_scenarios
from clients.conformance.scenarios import SCENARIOS
from clients.conformance.world import WITHIN_S, Target
from examples.server import start_server

# Of the server that is started here: so that scenarios need not send a thousand messages, and that
# tokens end while clients follow.
REPLAY_ENTRIES = 100
SETTINGS = {
    "PARLEY_REPLAY_ENTRIES": str(REPLAY_ENTRIES),
    "PARLEY_ACCESS_TOKEN_TTL_S": "20",
    "PARLEY_SESSION_EXPIRING_NOTICE_S": "10",
}


def read_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m clients.conformance",
        description="Says whether a client comes to the server's conversation. docs/conformance.md",
    )
    parser.add_argument("--url", help="a server in development; without it, one is started")
    parser.add_argument(
        "--replay-entries", type=int, default=1000, help="PARLEY_REPLAY_ENTRIES of that server"
    )
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        choices=[name_of(each) for each in SCENARIOS],
        help="run this scenario; can be given several times",
    )
    parser.add_argument(
        "--within", type=float, default=WITHIN_S, help="seconds for the pictures to become equal"
    )
    parser.add_argument("command", nargs="+", help="the program that is the client, after --")
    return parser.parse_args(arguments)


@asynccontextmanager
async def target_of(given: argparse.Namespace) -> AsyncIterator[Target]:
    if given.url:
        yield Target(given.url, given.replay_entries)
        return
    async with start_server(api_processes=1, environment=SETTINGS) as server:
        yield Target(f"http://127.0.0.1:{server.ports[0]}/graphql", REPLAY_ENTRIES)


async def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if all scenarios passed, else 1."""
    given = read_arguments(arguments)
    scenarios = [s for s in SCENARIOS if given.only is None or name_of(s) in given.only]

    async def start_driver() -> Driver:
        return await Program.start(given.command)

    async with target_of(given) as target:
        results = await run_scenarios(scenarios, target, start_driver, say, given.within)
    passed = sum(not result.found for result in results)
    say(f"{passed} of {len(results)} scenarios passed.")
    return 0 if passed == len(results) else 1


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
