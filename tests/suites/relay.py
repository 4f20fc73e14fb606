"""The Relay recipe: compiled, types checked, run against a server."""

from pathlib import Path

from tests.suites.node import ROOT, installed, run, versions
from tests.suites.outcome import Outcome, of_command, of_node_tests
from tests.suites.server import Addresses

RECIPE = ROOT / "clients" / "relay"


def build() -> tuple[Path, list[Outcome]]:
    """Compile the recipe; return the folder and a row for each step."""
    folder = installed(RECIPE)
    (folder / "src" / "__generated__").mkdir(exist_ok=True)
    compiled = run(["relay-compiler", "relay.config.json"], folder)
    checked = run(["tsc"], folder)
    outcomes = [
        of_command("Relay: documents compile", versions(folder, "relay-compiler"), compiled),
        of_command("Relay: strict types", versions(folder, "typescript"), checked),
    ]
    return folder, outcomes


def live(folder: Path, server: Addresses) -> Outcome:
    """Page back, follow through cuts, and compare the store with what the server has."""
    environment = server.environment()
    built = run(["npm", "run", "build", "--silent"], folder, environment)
    tool = versions(folder, "relay-runtime")
    if built.returncode:
        return of_command("Relay: pages, cuts, store", tool, built)
    command = ["node", "--test", "--test-reporter=tap", "dist/test/relay.live.test.js"]
    return of_node_tests("Relay: pages, cuts, store", tool, run(command, folder, environment))
