"""Run push jobs: each decides what one device should show of one channel now, sends that, and notes
what the provider answered.

Many run at once; what they read and write is gathered. What is decided right before sending is all
that counts: a job for what was read meanwhile sends nothing. A job is done once what came of it is
written, so that one which dies in between is done again, with the same id.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from models.limits.limits import Limits
from models.postgresql.database import Database
from models.push.addresses import PushEndpointKind
from models.push.claims import Claim
from models.push.results import Later, Result, postpone, write_results
from models.push.states import PushKey
from workers.jobs.runner import RetryLater, SetAside
from workers.push.claim_renewal import ClaimRenewal
from workers.push.deciding import Nothing, Show, TakeBack, Wait, seconds_until
from workers.push.gates import Gates, Hold
from workers.push.gathering import Gathering
from workers.push.key_locks import KeyLocks
from workers.push.planning import ListActive, PushPlan, PushPlanner
from workers.push.providers.pushes import Blames, ProviderAnswer, PushOutcome, ShowingProvider
from workers.push.retries import (
    BUSY_S,
    GIVEN_UP_S,
    MOST_FAILURES,
    can_retry,
    forget_endpoint,
    retry_after_s,
)


class PushJobs:
    """Runs the jobs of one provider. `note` is told each push's kind and outcome, for metrics;
    `on_forgotten` each user whose endpoint was gone.
    """

    def __init__(
        self,
        database: Database,
        provider: ShowingProvider,
        gates: Gates,
        renewal: ClaimRenewal,
        limits: Limits,
        *,
        list_active: ListActive,
        note: Callable[[str, str], None],
        on_forgotten: Callable[[str], None],
    ) -> None:
        self._database = database
        self._provider = provider
        self._gates = gates
        self._renewal = renewal
        self._kind = provider.kind
        self._note = note
        self._on_forgotten = on_forgotten
        self._plans = Gathering[PushKey, PushPlan](
            PushPlanner(database, provider, gates, list_active, limits).plan_all
        )
        self._results = Gathering[Result, None](self._write_results)
        self._laters = Gathering[Later, bool](self._postpone)
        # So that the newest message is shown last.
        self._locks = KeyLocks()

    async def run(self, key: PushKey) -> None:
        """Bring what the device shows of the channel up to date.

        Raises:
            RetryLater: the provider has failed, or another process has claimed the view.
            SetAside: the provider will not have it, or has failed for hours.
            Refused: UNAVAILABLE.
        """
        async with self._locks.locked(key):
            plan = await self._plans.ask(key)
            if plan.claim is None:
                later = Later(key=key, kind=self._kind, after_s=BUSY_S, claimed=False)
                await self._come_back(later)
                return
            async with self._renewal.renewing([key]):
                await self._follow(plan.claim, plan)

    async def _follow(self, claim: Claim, plan: PushPlan) -> None:
        match plan.verdict:
            case Nothing():
                await self._results.ask(Result(key=claim.key, seen_seq=plan.seen_seq))
            case Wait(until):
                await self._wait(claim, until)
            case verdict if plan.hold is not None:
                await self._park(claim, plan.hold)
            case verdict:
                await self._send(claim, plan, verdict)

    async def _come_back(self, later: Later) -> None:
        if await self._laters.ask(later):
            raise RetryLater(later.after_s)

    async def _wait(self, claim: Claim, until: datetime) -> None:
        after_s = seconds_until(until, datetime.now(UTC))
        await self._laters.ask(Later(key=claim.key, kind=self._kind, after_s=after_s, queue=True))

    async def _park(self, claim: Claim, hold: Hold, *, failed: bool = False) -> None:
        await self._laters.ask(
            Later(key=claim.key, kind=self._kind, after_s=0, gate=hold.gate, failed=failed)
        )

    async def _send(self, claim: Claim, plan: PushPlan, verdict: Show | TakeBack) -> None:
        assert claim.address is not None
        assert plan.push is not None
        assert plan.way is not None
        answer = await self._provider.send(claim.address, plan.push)
        self._note(self._kind.value, answer.outcome.value)
        backoff_s = retry_after_s(claim.failures)
        hold = await self._gates.note(plan.way, answer, after_s=backoff_s)
        if answer.outcome is PushOutcome.DELIVERED:
            await self._note_shown(claim, plan.seen_seq, verdict)
        elif hold is not None and not self._is_given_up(claim, hold):
            await self._park(claim, hold, failed=hold.gate == plan.way.endpoint)
        elif hold is None and can_retry(claim, answer):
            failed = answer.blames is not Blames.NOBODY
            after_s = max(backoff_s if failed else 0.0, answer.retry_after_s or 0.0)
            await self._come_back(
                Later(key=claim.key, kind=self._kind, after_s=after_s, failed=failed)
            )
        else:
            await self._end(claim, plan.seen_seq, answer)

    def _is_given_up(self, claim: Claim, hold: Hold) -> bool:
        """Return True if no try is worth it any more: for servers of strangers, after hours."""
        if claim.failures >= MOST_FAILURES:
            return True
        return self._kind is PushEndpointKind.WEB_PUSH and hold.since_s > GIVEN_UP_S

    async def _end(self, claim: Claim, seen_seq: int, answer: ProviderAnswer) -> None:
        if answer.outcome is PushOutcome.GONE:
            await forget_endpoint(self._database, claim, answer)
            self._on_forgotten(claim.key.user_id)
        await self._results.ask(Result(key=claim.key, seen_seq=seen_seq))
        if answer.outcome is not PushOutcome.GONE:
            raise SetAside(f"{self._kind.value} said: {answer.said or answer.outcome.value}")

    async def _note_shown(self, claim: Claim, seen_seq: int, verdict: Show | TakeBack) -> None:
        shown = verdict.message if isinstance(verdict, Show) else None
        await self._results.ask(
            Result(
                key=claim.key,
                seen_seq=seen_seq,
                shown_seq=shown.seq if shown else 0,
                shown_edited_at=shown.edited_at if shown else None,
            )
        )
        if isinstance(verdict, TakeBack) and verdict.again_at is not None:
            await self._wait(claim, verdict.again_at)

    async def _write_results(self, results: Sequence[Result]) -> list[None]:
        await write_results(self._database, results)
        return [None] * len(results)

    async def _postpone(self, laters: Sequence[Later]) -> list[bool]:
        return await postpone(self._database, laters)
