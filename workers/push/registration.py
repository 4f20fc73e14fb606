"""Register the jobs of push: a kind for each provider, so that one that hangs holds up no other."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import msgspec

from models.background import Loops
from models.jobs.jobs import queue_of
from models.jobs.queue import TakenJob
from models.limits.limits import Limits
from models.postgresql.database import Database
from models.push.states import PushKey, PushTask, job_kind_of
from subscriptions.activity import Active
from workers.jobs.runner import Jobs
from workers.push.claim_renewal import ClaimRenewal
from workers.push.digest_job import DigestJobs
from workers.push.gates import Gates
from workers.push.job import PushJobs
from workers.push.planning import ListActive
from workers.push.providers.mail_links import MailLinks
from workers.push.providers.pushes import Provider, ShowingProvider

# A job waits for its provider no longer than the provider's own deadline; this is for all else.
DEADLINE_S = 60.0
# Of what is no answer of the provider's: what is wrong with us.
MOST_TRIES = 8

_decode = msgspec.json.Decoder(PushTask).decode


def _note_nothing(*_: str) -> None:
    return None


async def _list_nobody(_: Sequence[str]) -> Mapping[str, Active]:
    return {}


class PushTies(msgspec.Struct):
    """What push has to do with the rest of a process: `list_active` says where users are active;
    `on_forgotten` is told of each user whose endpoint a provider knows no more.
    """

    list_active: ListActive = _list_nobody
    on_forgotten: Callable[[str], None] = _note_nothing


class PushLoops:
    """The loops beside push jobs. `start` them with the jobs, and `close` them after."""

    def __init__(self, gates: Gates, renewal: ClaimRenewal) -> None:
        self._gates = gates
        self._renewal = renewal

    def start(self) -> None:
        self._gates.start()
        self._renewal.start()

    async def close(self) -> None:
        await self._gates.close()
        await self._renewal.close()


def register_push(
    jobs: Jobs,
    database: Database,
    providers: Iterable[Provider],
    limits: Limits,
    *,
    loops: Loops | None = None,
    ties: PushTies | None = None,
    note: Callable[[str, str], None] = _note_nothing,
    links: MailLinks | None = None,
) -> PushLoops:
    """Run these providers' jobs. `note` is told of each push: its kind and outcome. Jobs of a kind
    that has no provider wait until it has one. `links` go into mails.
    """
    ties = ties or PushTies()
    gates = Gates(queue_of(database), limits, loops=loops)
    renewal = ClaimRenewal(database, limits, loops=loops)
    for provider in providers:
        work: PushJobs | DigestJobs
        if isinstance(provider, ShowingProvider):
            work = PushJobs(
                *(database, provider, gates, renewal, limits),
                list_active=ties.list_active,
                note=note,
                on_forgotten=ties.on_forgotten,
            )
        else:
            work = DigestJobs(
                *(database, provider, renewal, limits),
                note=note,
                on_forgotten=ties.on_forgotten,
                links=links,
            )
        jobs.register(
            job_kind_of(provider.kind),
            _run(work.run),
            concurrency=provider.concurrency,
            most_tries=MOST_TRIES,
            deadline_s=DEADLINE_S,
            revives_together=True,
        )
    return PushLoops(gates, renewal)


def _run(run: Callable[[PushKey], Awaitable[None]]) -> Callable[[TakenJob], Awaitable[None]]:
    async def run_job(job: TakenJob) -> None:
        await run(_decode(job.payload).key)

    return run_job
