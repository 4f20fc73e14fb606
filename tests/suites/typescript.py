"""The TypeScript kit: documents to types, types checked, its tests."""

import json
from pathlib import Path

from tests.suites.node import ROOT, installed, run
from tests.suites.outcome import Outcome, of_command, of_node_tests
from tests.suites.server import Addresses

KIT = ROOT / "clients" / "typescript"


def versions(folder: Path, *names: str) -> str:
    """Return packages with their versions, as the folder's package.json pins them."""
    described = json.loads((folder / "package.json").read_text())
    pins = described.get("dependencies", {}) | described.get("devDependencies", {})
    return ", ".join(f"{name} {pins[name].rpartition('@')[2]}" for name in names)


def build() -> tuple[Path, list[Outcome]]:
    """Generate and compile the kit; return the folder and a row for each step."""
    folder = installed(KIT)
    generated = run(["graphql-codegen", "--config", "codegen.json"], folder)
    compiled = run(["tsc"], folder)
    return folder, [
        of_command(
            "TypeScript kit: documents become types",
            versions(folder, "@graphql-codegen/cli", "@graphql-codegen/client-preset"),
            generated,
        ),
        of_command("TypeScript kit: strict types", versions(folder, "typescript"), compiled),
    ]


def alone(folder: Path) -> Outcome:
    """Run the tests that need no server."""
    files = ["dist/test/reducer.test.js", "dist/test/enums.test.js"]
    recording = {"PARLEY_RECORDING": (folder / "recorded.json").as_uri()}
    done = run(["node", "--test", "--test-reporter=tap", *files], folder, recording)
    return of_node_tests("TypeScript kit: reducer, enums", "node --test", done)


def live(folder: Path, server: Addresses) -> Outcome:
    """Run the tests that use a server, through cuts, refreshes and restarts."""
    files = ["dist/test/messenger.live.test.js"]
    command = ["node", "--test", "--test-reporter=tap", *files]
    done = run(command, folder, server.environment())
    return of_node_tests("TypeScript kit: cuts, refresh, offline", "node --test", done)
