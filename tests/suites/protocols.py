"""The protocols, by tools of others: GraphQL over HTTP, graphql-transport-ws, graphql-sse."""

from tests.suites.node import ROOT, installed, run, versions
from tests.suites.outcome import Outcome, of_node_tests
from tests.suites.server import Addresses

TOOLS = ROOT / "tests" / "suites" / "tools"


def protocols(server: Addresses) -> list[Outcome]:
    folder = installed(TOOLS)
    environment = server.environment()
    tap = ["node", "--test", "--test-reporter=tap"]
    return [
        of_node_tests(
            "GraphQL over HTTP, production, signed in",
            versions(folder, "graphql-http"),
            run(["node", "audit.mjs"], folder, environment),
        ),
        of_node_tests(
            "graphql-transport-ws",
            versions(folder, "graphql-ws", "ws"),
            run([*tap, "transport.test.mjs"], folder, environment),
        ),
        of_node_tests(
            "graphql-sse",
            versions(folder, "graphql-sse"),
            run([*tap, "sse.test.mjs"], folder, environment),
        ),
    ]
