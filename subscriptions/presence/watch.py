"""Whose presence is followed on this node: tells each follower what they may see, first as it is,
then as it changes.

A change is a hint that names a user; the value is read here, online in Valkey first and the rest in
PostgreSQL after it, by one task, so that two changes cannot arrive reversed. A hint that is lost is
made up for by a look at everybody who is followed, every few seconds.

Who becomes hidden from a follower is said to be offline, with nothing else: what was shown before
must not stick.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice

from models.background import Background, Loops
from models.deadlines import within
from models.limits.limits import Limits
from models.log.signals import PresenceChanged, Signalled, ViewerChanged
from models.postgresql.database import Database
from models.refusals import RefusalCode, Refused
from models.users.presence import LastSeen, Presence, list_last_seen
from subscriptions.feed import Feed
from subscriptions.nodes.grouping import group_by_node
from subscriptions.nodes.node import Node
from subscriptions.nodes.registry import Registry
from subscriptions.presence.follower import Follower
from subscriptions.presence.leases import PRESENCE
from subscriptions.presence.presence import NodePresence
from subscriptions.scripts import AWAY, Valkey

PAIRS_AT_ONCE = 500
USERS_AT_ONCE = 500
# Changes that come together are read, and told to other nodes, together.
TOGETHER_S = 0.02
AGAIN_S = 0.5
# Beyond this, hints are dropped: memory is bounded.
WAITING_USERS = 100_000


class PresenceWatch:
    def __init__(
        self,
        *,
        valkey: Valkey,
        database: Database,
        node: Node,
        presence: NodePresence,
        limits: Limits,
        loops: Loops | None = None,
    ) -> None:
        self._database = database
        self._node = node
        self._presence = presence
        self._limits = limits
        # Which nodes watch a user; counts while the node's lease of presence lives.
        self._registry = Registry(
            valkey, node.id, groups=PRESENCE, name="watchers", readers=node.readers
        )
        self._registered: set[str] = set()
        self._interest_changed = False
        self._followers: dict[str, set[Follower]] = {}
        self._of_viewer: dict[str, set[Follower]] = {}
        # What is to be read: in order, each once.
        self._due: dict[tuple[Follower, str], None] = {}
        # Whom other nodes are to be told of.
        self._changed: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._wake_teller = asyncio.Event()
        self._background = Background(loops)

    def start(self) -> None:
        background = self._background
        background.whenever(
            "presence_show",
            self._wake,
            self._show_due,
            gather_s=TOGETHER_S,
            away=AWAY,
            longest_pause_s=AGAIN_S,
        )
        background.whenever(
            "presence_tell", self._wake_teller, self._tell, gather_s=TOGETHER_S, away=AWAY
        )
        background.every(
            "presence_poll", self._limits.presence_poll_s, self._look_at_all, away=AWAY
        )

    async def close(self) -> None:
        await self._background.close()

    # ---------------------------------------------------------------- what comes in

    def follow(self, feed: Feed, user_ids: Sequence[str]) -> None:
        """Give the feed the users' presence, until it ends.

        Raises:
            Refused: RATE_LIMITED when the viewer follows too many already.
        """
        follower = Follower(feed, user_ids)
        others = self._of_viewer.get(follower.viewer_id, ())
        followed = sum(len(other.shown) for other in others)
        if followed + len(follower.shown) > self._limits.presence_followed:
            raise Refused(
                RefusalCode.RATE_LIMITED,
                f"The presence of at most {self._limits.presence_followed} people can be followed.",
                field="userIds",
            )
        self._of_viewer.setdefault(follower.viewer_id, set()).add(follower)
        for user_id in follower.shown:
            self._followers.setdefault(user_id, set()).add(follower)
        self._interest_changed = True
        feed.ended.add_done_callback(lambda _: self._forget(follower))
        self._read_soon((follower, user_id) for user_id in follower.shown)

    def _forget(self, follower: Follower) -> None:
        _discard(self._of_viewer, follower.viewer_id, follower)
        for user_id in follower.shown:
            _discard(self._followers, user_id, follower)
            self._due.pop((follower, user_id), None)
        self._interest_changed = True
        self._wake.set()

    def announce(self, signals: Iterable[Signalled]) -> None:
        """Tell the followers of users whose privacy or blocks an operation of this node changed."""
        for signalled in signals:
            if isinstance(signalled.signal, ViewerChanged):
                self._read_for_viewers(signalled.user_ids)
                self.announce_changes(signalled.user_ids)

    def announce_changes(self, user_ids: Sequence[str]) -> None:
        """Tell followers, on this node and the others. Never waits."""
        self._read_for_followers(user_ids)
        if len(self._changed) < WAITING_USERS:
            self._changed |= dict.fromkeys(user_ids)
            self._wake_teller.set()

    def receive(self, signals: Iterable[Signalled]) -> None:
        """Take in what another node tells."""
        for signalled in signals:
            match signalled.signal:
                case PresenceChanged():
                    self._read_for_followers(signalled.user_ids)
                case ViewerChanged():
                    self._read_for_viewers(signalled.user_ids)

    def _read_for_followers(self, user_ids: Iterable[str]) -> None:
        self._read_soon(
            (follower, user_id)
            for user_id in user_ids
            for follower in self._followers.get(user_id, ())
        )

    def _read_for_viewers(self, viewer_ids: Iterable[str]) -> None:
        self._read_soon(
            (follower, user_id)
            for viewer_id in viewer_ids
            for follower in self._of_viewer.get(viewer_id, ())
            for user_id in follower.shown
        )

    def _read_soon(self, pairs: Iterable[tuple[Follower, str]]) -> None:
        self._due |= dict.fromkeys(pairs)
        self._wake.set()

    # ---------------------------------------------------------------- what is shown

    async def list_presences(self, viewer_id: str, user_ids: Sequence[str]) -> dict[str, Presence]:
        """Return the presence of those whom the viewer may see, as far as it is known now."""
        try:
            online = await self._presence.look_up(user_ids)
        except AWAY:
            online = self._presence.look_up_here(user_ids)
        last_seen = await list_last_seen(self._database, [(viewer_id, user) for user in online])
        return {
            user_id: _presence_of(user_id, bool(online[user_id]), seen_at)
            for (_, user_id), seen_at in last_seen.items()
        }

    async def _show_due(self) -> None:
        if self._interest_changed:
            await self._register()
        while self._due:
            await self._read_some(list(islice(self._due, PAIRS_AT_ONCE)))

    async def _register(self) -> None:
        """Tell the registry whom this node watches, before anything is read."""
        self._interest_changed = False
        try:
            if new := list(self._followers.keys() - self._registered):
                await within(self._registry.add(new), 2)
                self._registered.update(new)
            if old := list(self._registered - self._followers.keys()):
                await within(self._registry.remove(old), 2)
                self._registered.difference_update(old)
        except BaseException:
            self.register_again()
            raise

    async def _read_some(self, pairs: list[tuple[Follower, str]]) -> None:
        for pair in pairs:
            self._due.pop(pair, None)
        try:
            online = await self._presence.look_up(list({user_id for _, user_id in pairs}))
            last_seen = await list_last_seen(
                self._database, [(follower.viewer_id, user_id) for follower, user_id in pairs]
            )
        except BaseException:
            self._due |= dict.fromkeys(pairs)
            raise
        for follower, user_id in pairs:
            self._show(follower, user_id, online[user_id], last_seen)

    def _show(
        self, follower: Follower, user_id: str, online: bool | None, last_seen: LastSeen
    ) -> None:
        pair = (follower.viewer_id, user_id)
        if pair not in last_seen:
            follower.show(user_id, None)
        elif online is not None or not follower.believes_online(user_id):
            follower.show(user_id, _presence_of(user_id, bool(online), last_seen[pair]))
        # Else Valkey has just lost everything: who is still there is held again in a moment, and
        # who is not is found by the next look at all.

    # ---------------------------------------------------------------- other nodes, and losses

    async def _tell(self) -> None:
        """Tell other nodes, each change once: what cannot be told they find by themselves, since
        they look every few seconds.
        """
        while self._changed:
            users = list(islice(self._changed, USERS_AT_ONCE))
            for user_id in users:
                del self._changed[user_id]
            await self._tell_nodes(users)

    async def _tell_nodes(self, user_ids: Sequence[str]) -> None:
        watchers = await within(self._registry.look_up(user_ids), 2)
        nodes_of = dict(zip(user_ids, watchers, strict=True))
        items = [(user_id, (user_id,)) for user_id in user_ids]
        by_node = group_by_node(items, nodes_of, own_id=self._node.id)
        await self._node.publish_signals(
            {
                node_id: [Signalled(PresenceChanged(), its_users)]
                for node_id, its_users in by_node.items()
            }
        )

    async def _look_at_all(self) -> None:
        user_ids = list(self._followers)
        for start in range(0, len(user_ids), USERS_AT_ONCE):
            online = await self._presence.look_up(user_ids[start : start + USERS_AT_ONCE])
            self._read_soon(
                (follower, user_id)
                for user_id, is_online in online.items()
                for follower in self._followers.get(user_id, ())
                if follower.believes_online(user_id) is (not is_online) and is_online is not None
            )

    def register_again(self) -> None:
        """Register everybody whom this node watches again: Valkey may have lost it."""
        self._registered.clear()
        self._interest_changed = True
        self._wake.set()


def _presence_of(user_id: str, online: bool, last_seen_at: datetime | None) -> Presence:
    return Presence(user_id, online, None if online else last_seen_at)


def _discard(sets: dict[str, set[Follower]], key: str, follower: Follower) -> None:
    followers = sets.get(key)
    if followers is not None:
        followers.discard(follower)
        if not followers:
            del sets[key]
