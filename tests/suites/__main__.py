"""Run the outside suites with the real tools, and print a table: `make suites`.

It ends with 0 if all passed, with 1 if one did not, and with 2 if what they need is not there.
"""

import sys

from tests.suites import protocols, python_tools, relay, typescript
from tests.suites.node import NotThere, require_node
from tests.suites.outcome import Outcome, table
from tests.suites.server import running_server


def main() -> int:
    try:
        require_node()
        outcomes = run_all()
    except NotThere as missing:
        sys.stderr.write(f"make suites: {missing}\n")
        return 2
    sys.stdout.write(f"{table(outcomes)}\n")
    return 0 if all(outcome.is_good for outcome in outcomes) else 1


def run_all() -> list[Outcome]:
    folder, outcomes = typescript.build()
    outcomes.append(typescript.alone(folder))
    relay_folder, built = relay.build()
    outcomes += built
    outcomes.append(python_tools.autobahn())
    with running_server() as server:
        outcomes += protocols.protocols(server)
        outcomes += python_tools.python_clients(server)
        outcomes += typescript.live(folder, server)
        outcomes.append(relay.live(relay_folder, server))
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
