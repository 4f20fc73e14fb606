"""Repair: gives this node's feeds what Valkey did not bring, from PostgreSQL.

Where little was committed in the last half minute, that is offered as it was dispatched: one read
of the outbox. Else, and after a longer time out of touch, the node looks at its own users only: how
far their channels go, against what their feeds have. That costs the same however much everybody
else wrote. It is spread over seconds, a few users at a time, and nobody is cut.
"""

import asyncio
from collections.abc import Mapping, Sequence

from models.log.entries import Batch, Recipients, hydrate_entries, list_entries_at
from models.log.heads import (
    Membership,
    find_last_seqs,
    list_channels_of,
    list_memberships,
)
from models.log.outbox import OUTBOX_KEPT_S, list_recent_batches
from models.postgresql.database import Database
from models.refusals import Refused
from subscriptions.feed import Feed
from subscriptions.gaps import resync
from subscriptions.hub import Hub

# More outbox rows than this are not read: the node looks at its own users.
OUTBOX_ROWS = 5000
# Rows may go this much sooner than they are kept for: a node reads while they are deleted.
OUTBOX_MARGIN_S = 5
# Users that are looked at together, and the pause after them, for requests and for PostgreSQL.
USERS_AT_ONCE = 50
PAUSE_S = 0.02
# Entries that are read in one piece.
ENTRIES_AT_ONCE = 500

Place = tuple[str, int]


class Repair:
    """`outbox_rows` says how many rows of the outbox are read at most."""

    def __init__(
        self,
        database: Database,
        hub: Hub,
        *,
        outbox_rows: int = OUTBOX_ROWS,
        users_at_once: int = USERS_AT_ONCE,
        entries_at_once: int = ENTRIES_AT_ONCE,
    ) -> None:
        self._database = database
        self._hub = hub
        self._outbox_rows = outbox_rows
        self._users_at_once = users_at_once
        self._entries_at_once = entries_at_once

    async def offer_missed(self, out_of_touch_s: float) -> bool:
        """Offer the feeds all that may have been missed; return False when PostgreSQL is away."""
        try:
            if not await self._offer_recent(out_of_touch_s):
                await self._compare_all()
        except Refused:
            return False
        return True

    async def _offer_recent(self, out_of_touch_s: float) -> bool:
        """Offer what the outbox kept; return False if that is not all, or too much."""
        if out_of_touch_s > OUTBOX_KEPT_S - OUTBOX_MARGIN_S:
            return False
        batches = await list_recent_batches(self._database, most=self._outbox_rows)
        for batch in batches or ():
            self._hub.offer(batch)
        return batches is not None

    # ---------------------------------------------------------------- heads against feeds

    async def _compare_all(self) -> None:
        """Look at all users who have feeds here. Who comes later reads the present anyway."""
        user_ids = self._hub.users()
        for start in range(0, len(user_ids), self._users_at_once):
            await self._compare(user_ids[start : start + self._users_at_once])
            await asyncio.sleep(PAUSE_S)

    async def _compare(self, user_ids: Sequence[str]) -> None:
        pairs = await list_channels_of(self._database, user_ids)
        last_seqs = await find_last_seqs(self._database, list({channel for _, channel in pairs}))
        behind = [pair for pair in pairs if self._may_lack(*pair, last_seqs.get(pair[1], 0))]
        if behind:
            await self._offer_lacking(await list_memberships(self._database, behind), last_seqs)

    def _may_lack(self, user_id: str, channel_id: str, last_seq: int) -> bool:
        return any(
            feed.positions.get(channel_id, 0) < last_seq
            for feed in self._feeds_of(user_id, channel_id)
        )

    def _feeds_of(self, user_id: str, channel_id: str) -> list[Feed]:
        return [
            feed
            for feed in self._hub.feeds_of(user_id)
            if feed.kind != "presence" and feed.only_channel in (None, channel_id)
        ]

    async def _offer_lacking(
        self, memberships: Sequence[Membership], last_seqs: Mapping[str, int]
    ) -> None:
        """Read what is lacking, each entry once, and offer it to all these users."""
        places: set[Place] = set()
        recipients: dict[str, Recipients] = {}
        for membership in memberships:
            lacking = self._list_lacking(membership, last_seqs[membership.channel_id])
            if lacking:
                places.update((membership.channel_id, seq) for seq in lacking)
                to = recipients.setdefault(membership.channel_id, Recipients([], []))
                to.user_ids.append(membership.user_id)
                to.joined_seqs.append(membership.joined_seq)
        in_order = sorted(places)
        for start in range(0, len(in_order), self._entries_at_once):
            piece = in_order[start : start + self._entries_at_once]
            entries = await list_entries_at(self._database, piece)
            await hydrate_entries(self._database, entries)
            self._hub.offer(Batch("", "", entries, recipients, fresh=False))

    def _list_lacking(self, membership: Membership, last_seq: int) -> Sequence[int]:
        """Return the seqs that some feed of the user lacks. A feed that lacks more than is replayed
        is told so, and goes on from the end.
        """
        channel_id, joined_seq = membership.channel_id, membership.joined_seq
        up_to = last_seq if membership.left_seq is None else membership.left_seq
        first = up_to + 1
        for feed in self._feeds_of(membership.user_id, channel_id):
            position = max(feed.positions.get(channel_id, 0), joined_seq - 1)
            if position >= up_to or feed.left.get(channel_id, -1) >= joined_seq:
                continue
            if not feed.live:
                # Its replay reads what comes before, once it knows how far the log goes.
                first = min(first, up_to)
            elif up_to - position > self._hub.replay_entries:
                resync(feed, channel_id, up_to)
            else:
                first = min(first, position + 1)
        return range(first, up_to + 1)
