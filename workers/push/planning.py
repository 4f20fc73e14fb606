"""Plan pushes from what is unread now, for many jobs at once."""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from models import ids
from models.limits.limits import Limits
from models.postgresql.database import Database
from models.push.addresses import kind_of
from models.push.claims import Claim, claim_pushes
from models.push.facts import Facts, count_badges, list_facts
from models.push.settings import PushPreview
from models.push.states import PushKey
from models.users.users import list_users
from subscriptions.activity import Active
from workers.push.deciding import Nothing, Show, TakeBack, Verdict, decide
from workers.push.gates import Gates, Hold, Way
from workers.push.providers.pushes import Push, ShowingProvider
from workers.push.texts import title_and_body

# Of ids that follow from what is pushed: the same when it is sent again.
_NAMESPACE = uuid.UUID("6a9a3f0e-5a55-4a0b-9d0c-3d1f0f6d5c11")
# A provider keeps a push for a device that is off for so long; what is unread is then shown by the
# app.
SHOW_TTL_S = 7 * 24 * 3600
CLEAR_TTL_S = 24 * 3600


# Where these users are active.
ListActive = Callable[[Sequence[str]], Awaitable[Mapping[str, Active]]]


class PushPlan(msgspec.Struct):
    """What one job has to do. No claim: another job is at it, or there is nothing left of it. What
    is to be sent has a way to go, or a gate to wait at.
    """

    claim: Claim | None
    verdict: Verdict
    seen_seq: int = 0
    push: Push | None = None
    way: Way | None = None
    hold: Hold | None = None


class PushPlanner:
    """Plans the pushes of one provider."""

    def __init__(
        self,
        database: Database,
        provider: ShowingProvider,
        gates: Gates,
        list_active: ListActive,
        limits: Limits,
    ) -> None:
        self._database = database
        self._provider = provider
        self._kind = provider.kind
        self._gates = gates
        self._list_active = list_active
        self._limits = limits

    async def plan_all(self, keys: Sequence[PushKey]) -> list[PushPlan]:
        """Claim the views of these jobs, and return what each job has to do.

        Raises:
            Refused: UNAVAILABLE.
        """
        claims = await claim_pushes(self._database, keys, limits=self._limits)
        now = datetime.now(UTC)
        reachable = [claim for claim in claims.values() if self._is_ours(claim)]
        facts = await list_facts(self._database, reachable, now=now) if reachable else {}
        active = await self._list_active(sorted({claim.key.user_id for claim in reachable}))
        plans = [self._plan(claims.get(key), facts.get(key), now, active) for key in keys]
        sent = [plan for plan in plans if isinstance(plan.verdict, Show | TakeBack)]
        if sent:
            await self._find_ways(sent)
            await self._write_pushes([plan for plan in sent if plan.way], facts)
        return plans

    def _is_ours(self, claim: Claim) -> bool:
        return claim.address is not None and kind_of(claim.address) is self._kind

    def _plan(
        self,
        claim: Claim | None,
        facts: Facts | None,
        now: datetime,
        active: Mapping[str, Active],
    ) -> PushPlan:
        if claim is None or not self._is_ours(claim):
            # Another kind's jobs see to it, if there is one.
            return PushPlan(claim, Nothing())
        at = active.get(claim.key.user_id)
        until = None
        if at is not None and at.device_id != claim.key.device_id:
            until = now + timedelta(seconds=at.left_s)
        verdict = decide(claim, facts, now, elsewhere_until=until)
        return PushPlan(claim, verdict, facts.last_seq if facts else 0)

    async def _find_ways(self, plans: Sequence[PushPlan]) -> None:
        ways = []
        for plan in plans:
            assert plan.claim is not None
            assert plan.claim.address is not None
            gate = self._provider.gate(plan.claim.address)
            ways.append(Way(gate, f"{self._kind.value} device {plan.claim.key.device_id}"))
        for plan, found in zip(plans, await self._gates.pass_all(ways), strict=True):
            if isinstance(found, Hold):
                plan.hold = found
            else:
                plan.way = found

    async def _write_pushes(self, sent: Sequence[PushPlan], facts: Mapping[PushKey, Facts]) -> None:
        if not sent:
            return
        badges = await count_badges(
            self._database,
            list({p.claim.key.user_id for p in sent if p.claim}),
            unread_most=self._limits.unread_count,
        )
        shown = {p.verdict.message.sender_id for p in sent if isinstance(p.verdict, Show)}
        senders = await list_users(self._database, list(shown)) if shown else {}
        for plan in sent:
            assert plan.claim is not None
            key = plan.claim.key
            badge = badges.get(key.user_id, 0)
            if isinstance(plan.verdict, Show):
                sender = senders.get(plan.verdict.message.sender_id)
                name = sender.name if sender else None
                plan.push = show_push(plan.claim, facts[key], plan.verdict, name, badge)
            else:
                plan.push = clear_push(plan.claim, badge)


def show_push(claim: Claim, facts: Facts, show: Show, sender_name: str | None, badge: int) -> Push:
    key, message = claim.key, show.message
    preview = claim.settings.preview
    title, body = title_and_body(preview, facts, message, sender_name)
    return Push(
        id=push_id(key, _what(claim, show)),
        channel_id=ids.channel_global_id(key.channel_id),
        thread=key.channel_id,
        badge=badge,
        ttl_s=SHOW_TTL_S,
        message_id=ids.message_global_id(key.channel_id, message.seq),
        title=title,
        body=body,
        kind=message.kind.name if preview is PushPreview.MESSAGE else None,
        sent_at=message.sent_at,
        quiet=show.again,
    )


def _what(claim: Claim, show: Show) -> str:
    """Return what tells this push from all others of the channel: a message that is shown again is
    another push, which an app must not take for the first.
    """
    message = show.message
    if not show.again:
        return str(message.seq)
    if message.seq == claim.shown_seq:
        return f"{message.seq} edited at {message.edited_at}"
    return f"{message.seq} in place of {claim.shown_seq}"


def clear_push(claim: Claim, badge: int) -> Push:
    key = claim.key
    return Push(
        id=push_id(key, f"{claim.shown_seq} taken back"),
        channel_id=ids.channel_global_id(key.channel_id),
        thread=key.channel_id,
        badge=badge,
        ttl_s=CLEAR_TTL_S,
        message_id=ids.message_global_id(key.channel_id, claim.shown_seq),
        silent=True,
    )


def push_id(key: PushKey, what: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{key.device_id} {key.channel_id} {what}"))
