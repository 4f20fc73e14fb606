"""The TypeScript kit: documents to types, types checked, its tests."""

import subprocess
from pathlib import Path

from tests.suites.node import ROOT, installed, run, versions
from tests.suites.outcome import Outcome, of_command, of_node_tests
from tests.suites.server import Addresses

KIT = ROOT / "clients" / "typescript"


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
    files = [f"dist/test/{name}.test.js" for name in ("reducer", "enums", "store", "sw")]
    recording = {"PARLEY_RECORDING": (folder / "recorded.json").as_uri()}
    done = run(["node", "--test", "--test-reporter=tap", *files], folder, recording)
    return of_node_tests(
        "TypeScript kit: reducer, enums, stores, service worker", "node --test", done
    )


def live(folder: Path, server: Addresses) -> list[Outcome]:
    """Run the tests that use a server: one file after the other, since they cut each other."""
    return [
        of_node_tests(suite, tool, _run_live(folder, name, server))
        for name, suite, tool in (
            ("messenger", "TypeScript kit: cuts, refresh, offline", "node --test"),
            (
                "recipes",
                "Apollo 4, Apollo 3, urql: cuts, caches",
                versions(folder, "@apollo/client", "apollo-client-3", "@urql/exchange-graphcache"),
            ),
        )
    ]


def _run_live(folder: Path, name: str, server: Addresses) -> subprocess.CompletedProcess[str]:
    command = ["node", "--test", "--test-reporter=tap", f"dist/test/{name}.live.test.js"]
    return run(command, folder, server.environment())
