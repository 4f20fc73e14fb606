"""The push job: one device's view of one channel, from "it may have changed" to what the provider
answered.

Many run at once; what they read and write is gathered. What is decided right before sending is all
that counts: a job for what was read meanwhile sends nothing. A job is done once what came of it is
written, so that one which dies in between is done again, with the same id.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from models.database import Database
from models.limits import Limits
from models.push_endpoints import PushEndpointKind, kind_of
from models.push_plans import Claim
from models.push_results import Later, Result, postpone, write_results
from models.push_states import PushKey
from workers.jobs import RetryLater, SetAside
from workers.push.alone import Alone
from workers.push.conclusions import BUSY_S, find_retry_s, forget_endpoint
from workers.push.deciding import Nothing, Show, TakeBack, Wait, seconds_until
from workers.push.gathering import Gathering
from workers.push.planning import Plan, Planner, endpoint_of
from workers.push.pushes import Outcome, Provider


class PushJobs:
    """Those of one provider. `note` is told of each push's kind and outcome, for metrics."""

    def __init__(
        self,
        database: Database,
        provider: Provider,
        limits: Limits,
        *,
        note: Callable[[str, str], None],
    ) -> None:
        self._database = database
        self._provider = provider
        self._kind = PushEndpointKind(provider.kind)
        self._note = note
        self._plans = Gathering[PushKey, Plan](Planner(database, limits).plan_all)
        self._results = Gathering[Result, None](self._write_results)
        self._laters = Gathering[Later, bool](self._postpone)
        # So that the newest message is shown last.
        self._alone = Alone()

    async def run(self, key: PushKey) -> None:
        """
        Raises:
            RetryLater: the provider has failed, or another process is at the same view.
            SetAside: the provider will not have it, or has failed for hours.
            Refused: UNAVAILABLE.
        """
        async with self._alone.at(key):
            plan = await self._plans.ask(key)
            claim = plan.claim
            if claim is None:
                later = Later(key=key, kind=self._kind, after_s=BUSY_S, claimed=False)
                await self._come_back(later)
            elif claim.address is None or kind_of(claim.address) is not self._kind:
                # Another kind's jobs see to it, if there is one.
                await self._results.ask(Result(key=key))
            else:
                await self._follow(claim, plan)

    async def _follow(self, claim: Claim, plan: Plan) -> None:
        match plan.verdict:
            case Nothing():
                await self._results.ask(Result(key=claim.key, seen_seq=plan.seen_seq))
            case Wait(until):
                await self._wait(claim, until)
            case verdict:
                await self._send(claim, plan, verdict)

    async def _come_back(self, later: Later) -> None:
        if await self._laters.ask(later):
            raise RetryLater(later.after_s)

    async def _wait(self, claim: Claim, until: datetime) -> None:
        after_s = seconds_until(until, datetime.now(UTC))
        await self._laters.ask(Later(key=claim.key, kind=self._kind, after_s=after_s, queue=True))

    async def _send(self, claim: Claim, plan: Plan, verdict: Show | TakeBack) -> None:
        assert claim.address is not None
        assert plan.push is not None
        answer = await self._provider.send(endpoint_of(claim.address), plan.push)
        self._note(self._kind.value, answer.outcome.value)
        if answer.outcome is Outcome.DELIVERED:
            await self._note_shown(claim, plan.seen_seq, verdict)
            return
        retry_s = find_retry_s(claim, answer)
        if retry_s is not None:
            await self._come_back(
                Later(key=claim.key, kind=self._kind, after_s=retry_s, failed=True)
            )
            return
        if answer.outcome is Outcome.GONE:
            await forget_endpoint(self._database, claim, answer)
        await self._results.ask(Result(key=claim.key, seen_seq=plan.seen_seq))
        if answer.outcome is not Outcome.GONE:
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
