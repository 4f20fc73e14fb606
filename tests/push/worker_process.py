"""A worker that pushes, as a process of its own: `python -m tests.push.worker_process`, with
the database's URL, the fake APNs' URL, its key and a concurrency as JSON on standard input.
"""

import asyncio
import sys
from dataclasses import replace

import msgspec
import uvloop

from models import ids
from models.jobs.queue import JobQueue
from models.postgresql.database import Database
from tests.jobs.running import SILENT_S
from tests.push.fakes.apns import KEY_ID, TEAM_ID
from tests.push.phones import LIMITS
from workers.jobs.runner import Jobs
from workers.push.check import PushCheck
from workers.push.providers.apns import Apns
from workers.push.registration import register_push

# What it had claimed when it was killed is soon another's.
BRIEF = replace(LIMITS, push_claim_s=2.0)


class Given(msgspec.Struct):
    database_url: str
    apns_url: str
    key: str
    concurrency: int


async def main(given: Given) -> None:
    database = await Database.open(given.database_url, connections=4)
    provider = Apns(
        key=given.key,
        key_id=KEY_ID,
        team_id=TEAM_ID,
        url=given.apns_url,
        concurrency=given.concurrency,
    )
    jobs = Jobs(await JobQueue.open(given.database_url, ids.new_id()), silent_s=SILENT_S)
    register_push(jobs, database, [provider], BRIEF).start()
    PushCheck(database, BRIEF).start()
    jobs.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(msgspec.json.decode(sys.stdin.buffer.read(), type=Given)))
