"""Runners of jobs, for tests."""

import time

import msgspec

from models.jobs.queue import TakenJob
from models.postgresql.database import Database
from tests.jobs.running import (
    list_states,
)


class Runs:
    """What a job does in these tests: fail so often, and note when it was run."""

    def __init__(self, *errors: Exception) -> None:
        self.payloads: list[object] = []
        self.at: list[float] = []
        self.tries: list[int] = []
        self._errors = list(errors)

    async def __call__(self, job: TakenJob) -> None:
        self.payloads.append(msgspec.json.decode(job.payload))
        self.at.append(time.monotonic())
        self.tries.append(job.tries)
        if self._errors:
            raise self._errors.pop(0)

    def have_been(self, count: int) -> bool:
        return len(self.at) == count


async def is_empty(queue: Database) -> bool:
    return await list_states(queue) == []
