"""A worker of its own process, with jobs for tests: `python -m tests.jobs.worker_process
DATABASE_URL LOG_PATH SILENT_S`. Each run of a job is a line in the log: its kind and number.

`kills` ends the process on the spot; `hangs` never ends; `works` takes a while; `writes` does no
more than its line.
"""

import asyncio
import hashlib
import os
import signal
import sys
from pathlib import Path

import msgspec

from models import ids
from models.jobs.queue import JobQueue, TakenJob
from workers.jobs.runner import Jobs

# Some tenths of a second of work: long enough to be under way when another job kills the process.
ROUNDS = 1_000_000


async def main(database_url: str, log_path: Path, silent_s: float) -> None:
    def write(job: TakenJob) -> None:
        with log_path.open("a") as log:
            log.write(f"{job.kind} {msgspec.json.decode(job.payload)}\n")

    async def run(job: TakenJob) -> None:
        write(job)
        if job.kind == "kills":
            os._exit(9)
        if job.kind == "hangs":
            await asyncio.Event().wait()
        if job.kind == "works":
            await asyncio.to_thread(hashlib.pbkdf2_hmac, "sha256", b"work", b"salt", ROUNDS)

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    jobs = Jobs(await JobQueue.open(database_url, ids.new_id()), silent_s=silent_s)
    for kind in ("kills", "hangs", "works", "writes"):
        jobs.register(kind, run, concurrency=2, most_tries=3, deadline_s=60)
    jobs.start()
    await stop.wait()
    await jobs.close(within_s=0.2)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])))
