"""Which jobs of push a worker runs: a kind for each provider, so that one that hangs holds up no
other.
"""

from collections.abc import Awaitable, Callable, Iterable

import msgspec

from models.database import Database
from models.job_queue import TakenJob
from models.limits import Limits
from models.push_endpoints import PushEndpointKind
from models.push_states import SHOWN_KINDS, PushKey, PushTask, entrypoint_of
from workers.jobs import Jobs
from workers.push.digest_job import DigestJobs
from workers.push.job import PushJobs
from workers.push.pushes import Provider

# A job waits for its provider no longer than the provider's own deadline; this is for all else.
DEADLINE_S = 60.0
# Of what is no answer of the provider's: what is wrong with us.
MOST_TRIES = 8

_decode = msgspec.json.Decoder(PushTask).decode


def _note_nothing(_: str, __: str) -> None:
    return None


def register_push(
    jobs: Jobs,
    database: Database,
    providers: Iterable[Provider],
    limits: Limits,
    *,
    note: Callable[[str, str], None] = _note_nothing,
) -> None:
    """Run these providers' jobs. `note` is told of each push: its kind and outcome. Jobs of a kind
    that has no provider wait until it has one.
    """
    for provider in providers:
        kind = PushEndpointKind(provider.kind)
        work = PushJobs if kind in SHOWN_KINDS else DigestJobs
        pushes = work(database, provider, limits, note=note)
        jobs.register(
            entrypoint_of(kind),
            _run(pushes.run),
            concurrency=provider.concurrency,
            most_tries=MOST_TRIES,
            deadline_s=DEADLINE_S,
        )


def _run(run: Callable[[PushKey], Awaitable[None]]) -> Callable[[TakenJob], Awaitable[None]]:
    async def run_job(job: TakenJob) -> None:
        await run(_decode(job.payload).key)

    return run_job
