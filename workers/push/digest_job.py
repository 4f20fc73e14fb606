"""Run digest jobs: each writes to a device once about all that is unread, then not for a while.

Jobs are queued as for any push, by channel, but due later. The first that is due speaks for all
channels of its device; the others find that nothing is left to say.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from models.limits.limits import Limits
from models.postgresql.database import Database
from models.push.addresses import EmailAddress, PushEndpointKind, kind_of
from models.push.claims import Claim, claim_pushes, find_last_shown_at, list_views
from models.push.facts import Facts, list_facts
from models.push.results import Later, Result, postpone, write_results
from models.push.states import PushKey, delays_of
from workers.jobs.runner import RetryLater, SetAside
from workers.push.claim_renewal import ClaimRenewal
from workers.push.deciding import Nothing, Show, TakeBack, Verdict, Wait, decide, seconds_until
from workers.push.digests import Digest, write_digest
from workers.push.key_locks import KeyLocks
from workers.push.providers.mail_links import MailLinks
from workers.push.providers.pushes import Provider, PushOutcome
from workers.push.retries import BUSY_S, find_digest_retry_s, forget_endpoint


class DigestJobs:
    """Runs the jobs of one provider. `note` is told each outcome, for metrics."""

    def __init__(
        self,
        database: Database,
        provider: Provider,
        renewal: ClaimRenewal,
        limits: Limits,
        *,
        note: Callable[[str, str], None],
        on_forgotten: Callable[[str], None],
        links: MailLinks | None = None,
    ) -> None:
        """`links` makes the links that end the mails."""
        self._database = database
        self._provider = provider
        self._renewal = renewal
        self._limits = limits
        self._note = note
        self._on_forgotten = on_forgotten
        self._links = links
        self._kind = provider.kind
        intervals = delays_of(limits) | {PushEndpointKind.SMS: limits.push_sms_interval_s}
        self._interval = timedelta(seconds=intervals[self._kind])
        self._locks = KeyLocks()

    async def run(self, key: PushKey) -> None:
        """Send one digest for all unread channels of the device, if it is time.

        Raises:
            RetryLater: the provider has failed, or another process has claimed the view.
            SetAside: the provider will not have it, or has failed for hours.
            Refused: UNAVAILABLE.
        """
        async with self._locks.locked(key.device_id):
            claimed = await claim_pushes(self._database, [key], limits=self._limits)
            claim = claimed.get(key)
            if claim is None:
                later = Later(key=key, kind=self._kind, after_s=BUSY_S, claimed=False)
                await self._come_back(later)
            elif claim.address is None or kind_of(claim.address) is not self._kind:
                await write_results(self._database, [Result(key=key)])
            else:
                async with self._renewal.renewing([key]):
                    await self._look(claim)

    async def _look(self, claim: Claim) -> None:
        now = datetime.now(UTC)
        facts = await list_facts(self._database, [claim], now=now)
        match _decide(claim, facts, now):
            case Wait(until):
                await self._wait(claim, until, now)
            case Nothing() | TakeBack() | Show(again=True):
                # What was written cannot be taken back, nor written in another way.
                await write_results(self._database, [Result(key=claim.key)])
            case Show():
                last_at = await find_last_shown_at(self._database, *_device_of(claim.key))
                if last_at is not None and last_at + self._interval > now:
                    await self._wait(claim, last_at + self._interval, now)
                else:
                    await self._send(await self._gather(claim, now))

    async def _wait(self, claim: Claim, until: datetime, now: datetime) -> None:
        after_s = seconds_until(until, now)
        later = Later(key=claim.key, kind=self._kind, after_s=after_s, queue=True)
        await postpone(self._database, [later])

    async def _gather(self, first: Claim, now: datetime) -> Digest:
        """Claim the device's other channels as well, and gather what is unread in all of them."""
        views = await list_views(self._database, *_device_of(first.key))
        others = [view for view in views if view != first.key]
        claimed = await claim_pushes(self._database, others, limits=self._limits)
        claims = [first, *claimed.values()]
        facts = await list_facts(self._database, claims, now=now)
        shown = {
            claim.key: verdict
            for claim in claims
            if isinstance(verdict := _decide(claim, facts, now), Show) and not verdict.again
        }
        return Digest(claims, facts, shown)

    async def _send(self, digest: Digest) -> None:
        claim = digest.claims[0]
        assert claim.address is not None
        if not digest.shown:
            await write_results(self._database, digest.results(sent=False))
            return
        push = await write_digest(
            self._database, self._kind, digest, unread_most=self._limits.unread_count
        )
        if self._links is not None and isinstance(claim.address, EmailAddress):
            link = self._links.for_digest(claim.key.user_id, claim.address.address)
            push = msgspec.structs.replace(push, unsubscribe_url=link)
        async with self._renewal.renewing([each.key for each in digest.claims]):
            answer = await self._provider.send(claim.address, push)
        self._note(self._kind.value, answer.outcome.value)
        sent = answer.outcome is PushOutcome.DELIVERED
        retry_s = find_digest_retry_s(claim, answer)
        results = digest.results(sent=sent)
        await write_results(self._database, results if retry_s is None else results[1:])
        if retry_s is not None:
            await self._come_back(
                Later(key=claim.key, kind=self._kind, after_s=retry_s, failed=True)
            )
        elif answer.outcome is PushOutcome.GONE:
            await forget_endpoint(self._database, claim, answer)
            self._on_forgotten(claim.key.user_id)
        elif not sent:
            raise SetAside(f"{self._kind.value} said: {answer.said or answer.outcome.value}")

    async def _come_back(self, later: Later) -> None:
        [is_ours] = await postpone(self._database, [later])
        if is_ours:
            raise RetryLater(later.after_s)


def _decide(claim: Claim, facts: Mapping[PushKey, Facts], now: datetime) -> Verdict:
    """Decide as for a push, but send nothing that any device of the user has received."""
    return decide(claim, facts.get(claim.key), now, counts_elsewhere=True)


def _device_of(key: PushKey) -> tuple[str, str]:
    return key.user_id, key.device_id
