"""This node's part in presence: holds its users online in Valkey, notes when they were last seen,
and buries nodes that died.

- Online is a lease (subscriptions/presence/leases.py): it ends by itself with the stream, the
  client or the process. What Valkey loses is held again within a second or two; so is what it
  kept by mistake.
- Last seen is in PostgreSQL before anybody is told that a user is offline, and only moves forward;
  what cannot be written now is kept and written later.
- No clock is read but the monotonic one, which only measures; times are PostgreSQL's `now()` less
  what was measured, and leases end by Valkey's clock.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from itertools import islice

from models.background import Background, Loops
from models.deadlines import within
from models.limits.limits import Limits
from models.postgresql.database import Database
from models.refusals import Refused
from models.users.presence import note_last_seen
from subscriptions.presence.holds import Holds
from subscriptions.presence.leases import DeadNode, Leases
from subscriptions.scripts import AWAY, Valkey

logger = logging.getLogger("parley.live")

# Parts of a lease's life: how often it is renewed, and how often dead nodes are looked for.
RENEWALS = 10
BURIALS = 5
# A part of the grace: how often it is looked who has been away for long enough.
LOOKS = 10
# How often Valkey is made to say the same as this node, whether something was lost or not.
HOLD_AGAIN_S = 60.0
AWAY_S = 0.5
NOTED_AT_ONCE = 500
# Beyond this, those who were last seen longest ago are forgotten: memory is bounded.
UNNOTED_USERS = 100_000
# Holds that a node left behind when it closed; it had noted when their users were last seen.
LEFT_BEHIND = "left-"


class NodePresence:
    """`on_changed` is told whose presence changed, `on_streams_ended` who has no stream here any
    more, `on_held_again` that what was written to Valkey may have been lost.
    """

    def __init__(
        self,
        *,
        valkey: Valkey,
        database: Database,
        node_id: str,
        limits: Limits,
        on_changed: Callable[[Sequence[str]], None],
        on_streams_ended: Callable[[str], None],
        on_held_again: Callable[[], None],
        loops: Loops | None = None,
    ) -> None:
        self._valkey = valkey
        self._database = database
        self._limits = limits
        self._on_changed = on_changed
        self._on_streams_ended = on_streams_ended
        self._on_held_again = on_held_again
        self._leases = Leases(valkey, node_id)
        self._holds = Holds(grace_s=limits.presence_grace_s, idle_s=limits.presence_idle_s)
        # Not yet held in Valkey.
        self._new: set[str] = set()
        # When users were last seen (monotonic), where PostgreSQL does not know it yet.
        self._unnoted: dict[str, float] = {}
        # Valkey may not have what this node holds.
        self._lost = True
        self._held_at = 0.0
        self._wake = asyncio.Event()
        self._background = Background(loops)

    def start(self) -> None:
        self._wake.set()
        life_s = self._limits.presence_lease_s
        background = self._background
        background.forever("presence", self._keep_up, away=AWAY, longest_pause_s=AWAY_S)
        background.every("presence_renew", life_s / RENEWALS, self._renew, away=AWAY)
        background.every("presence_bury", life_s / BURIALS, self._bury, away=AWAY)

    async def close(self) -> None:
        """Leave what is held to leases that outlive this node by the grace, so that a deploy shows
        nothing.
        """
        await self._background.close()
        now = time.monotonic()
        self._unnoted |= {user: self._holds.seen_at(user, now) for user in self._holds.users()}
        await self._note()
        try:
            await within(self._leave_behind(now), 3)
        except AWAY:
            logger.warning("Who was online here is left to the end of this node's lease.")

    # ---------------------------------------------------------------- who is online here

    def hold(self, user_id: str) -> Callable[[], None]:
        """Hold a user online until what is returned is called, when their stream has ended."""
        if self._holds.add_stream(user_id, time.monotonic()):
            self._hold_soon(user_id)
        ended = False

        def end() -> None:
            nonlocal ended
            if ended:
                return
            ended = True
            if self._holds.end_stream(user_id, time.monotonic()):
                self._on_streams_ended(user_id)

        return end

    def touch(self, user_id: str) -> None:
        """Hold a user online for a while after a request."""
        if self._holds.touch(user_id, time.monotonic()):
            self._hold_soon(user_id)

    def _hold_soon(self, user_id: str) -> None:
        self._new.add(user_id)
        self._wake.set()

    async def look_up(self, user_ids: Sequence[str]) -> dict[str, bool | None]:
        """Return True for users who are online, False for others. None is for a user who seems to
        be offline so soon after Valkey lost everything that their node may not hold them again yet.
        Raises what `AWAY` lists.
        """
        asked = [user_id for user_id in user_ids if user_id not in self._holds]
        if not asked:
            return dict.fromkeys(user_ids, True)
        settle_s = self._limits.presence_settle_s
        # Who was online by a node that died is so until it is noted when they were last seen.
        held = await within(self._leases.look_up(asked, burial_s=settle_s), 2)
        absent = False if held.kept_s >= settle_s else None
        found: dict[str, bool | None] = dict.fromkeys(user_ids, True)
        return found | {user: user in held.users or absent for user in asked}

    def look_up_here(self, user_ids: Sequence[str]) -> dict[str, bool | None]:
        """Return True for each of the users whom this node holds itself."""
        return {user_id: True for user_id in user_ids if user_id in self._holds}

    # ---------------------------------------------------------------- what Valkey knows of it

    async def _keep_up(self) -> None:
        """Bring Valkey up to date, when somebody comes and every little while."""
        with contextlib.suppress(TimeoutError):
            await within(self._wake.wait(), max(0.05, self._limits.presence_grace_s / LOOKS))
        self._wake.clear()
        try:
            await self._hold_and_let_go()
        except BaseException:
            self._lost = True
            raise

    async def _hold_and_let_go(self) -> None:
        now = time.monotonic()
        ended = self._holds.list_ended(now)
        self._unnoted |= {user_id: self._holds.seen_at(user_id, now) for user_id in ended}
        await self._note()
        gone = self._holds.drop_ended(ended, time.monotonic())
        self._new.difference_update(gone)
        if self._lost or time.monotonic() - self._held_at > HOLD_AGAIN_S:
            await self._hold_all_again()
            return
        new = list(self._new)
        self._new.clear()
        changed = [*await self._leases.hold(new), *await self._leases.let_go(gone)]
        if changed:
            self._on_changed(changed)

    async def _hold_all_again(self) -> None:
        """Make Valkey hold exactly those whom this node holds."""
        self._lost = False
        self._new.clear()
        await self._leases.take(self._limits.presence_lease_s)
        held = self._holds.users()
        stale = await self._leases.list_own() - set(held)
        changed = [*await self._leases.let_go(list(stale)), *await self._leases.hold(held)]
        self._held_at = time.monotonic()
        self._on_held_again()
        if changed:
            self._on_changed(changed)

    async def _renew(self) -> None:
        if self._lost:
            return
        there = False
        try:
            there = await within(self._leases.renew(self._limits.presence_lease_s), 2)
        finally:
            if not there:
                self._lost = True
                self._wake.set()

    async def _leave_behind(self, now: float) -> None:
        """Hand over to leases that nobody renews: one for those who may reconnect, one for those
        who made a request.
        """
        limits = self._limits
        users = self._holds.users()
        brief = [u for u in users if self._holds.left_s(u, now) <= limits.presence_grace_s]
        longer = set(users) - set(brief)
        for held, life_s in (
            (brief, limits.presence_grace_s),
            (list(longer), limits.presence_idle_s),
        ):
            if held:
                left = Leases(self._valkey, LEFT_BEHIND + secrets.token_hex(8))
                await left.take(life_s)
                await left.hold(held)
        await self._leases.let_go(list(await self._leases.list_own()))

    # ---------------------------------------------------------------- last seen

    async def _note(self) -> None:
        """Write what is to be noted; what cannot be written is kept."""
        while self._unnoted:
            piece = dict(islice(self._unnoted.items(), NOTED_AT_ONCE))
            if not await self._try_note(piece):
                break
            for user_id, seen_at in piece.items():
                if self._unnoted[user_id] == seen_at:
                    del self._unnoted[user_id]
        while len(self._unnoted) > UNNOTED_USERS:
            del self._unnoted[next(iter(self._unnoted))]

    async def _try_note(self, seen_at: dict[str, float]) -> bool:
        now = time.monotonic()
        ages_s = {user_id: max(0.0, now - at) for user_id, at in seen_at.items()}
        try:
            await within(note_last_seen(self._database, ages_s), 2)
        except (Refused, TimeoutError):
            logger.warning("When %d people were last seen is noted later.", len(ages_s))
            return False
        return True

    # ---------------------------------------------------------------- nodes that died

    async def _bury(self) -> None:
        while nodes := await within(self._leases.list_dead(5), 2):
            for node in nodes:
                await self._bury_one(node)

    async def _bury_one(self, node: DeadNode) -> None:
        """Note that its users were last seen when it renewed its lease last, and forget them."""
        found_at = time.monotonic()
        while users := await self._leases.list_some_of(node):
            if not node.id.startswith(LEFT_BEHIND):
                age_s = node.renewed_s + time.monotonic() - found_at
                await note_last_seen(self._database, dict.fromkeys(users, age_s))
            gone = await self._leases.bury(node, users)
            if gone is None:
                return
            if gone:
                self._on_changed(gone)
        await self._leases.forget(node)
