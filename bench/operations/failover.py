"""`python -m bench.operations.failover`: a primary dies under load, and its synchronous standby
is promoted. How many answered sends are lost, and how soon sends are answered again. Exit code 1
where one is lost.

Each run has servers of its own: two PostgreSQLs, and two API processes as `python -m parley dev`
runs them, with both hosts in `DATABASE_URL`.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from examples.client import Api
from examples.server import start_server
from tests.failover.load import sending
from tests.failover.pair import Pair
from tests.faults.people import sign_in_pair

SENDS = 300
PROMISED_S = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.operations.failover")
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    runs = [asyncio.run(_run()) for _ in range(asked.runs)]
    lost = sum(run["lost"] for run in runs)
    slowest_s = max(run["first_store_after_promotion_s"] for run in runs)
    report = {"lost": lost, "slowest_first_store_s": slowest_s, "runs": runs}
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0 if lost == 0 and slowest_s <= PROMISED_S else 1


async def _run() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        async with AsyncExitStack() as stack:
            pair = await stack.enter_async_context(Pair(Path(folder)))
            server = await stack.enter_async_context(
                start_server(environment={"DATABASE_URL": pair.url})
            )
            apis = [Api(port) for port in server.ports]
            for api in apis:
                stack.callback(api.close)
            sender, _, chat_id = await sign_in_pair(apis)
            async with sending(sender, chat_id) as load:
                await load.has_more(SENDS)
                pair.kill_primary()
                killed_at, before = time.monotonic(), len(load.answered)
                await pair.promote()
                promoted_at = time.monotonic()
                await load.has_more()
                stored_at = time.monotonic()
                await load.has_more(SENDS)
            lost = await load.find_lost()
    return {
        "answered": len(load.answered),
        "answered_before_the_kill": before,
        "lost": len(lost),
        "promotion_took_s": round(promoted_at - killed_at, 2),
        "first_store_after_promotion_s": round(stored_at - promoted_at, 2),
    }


if __name__ == "__main__":
    raise SystemExit(main())
